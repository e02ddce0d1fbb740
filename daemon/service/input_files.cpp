#include "daemon/service/input_files.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <unistd.h>

#include "common/media_type.h"
#include "common/text.h"
#include "daemon/api/prediction.h"
#include "daemon/service/data_uri.h"

namespace mrun {
namespace {

constexpr std::string_view k_secret_mark = "[secret]";
constexpr std::size_t k_min_secret_bytes = 4;                  // a shorter one would blank half of a log
constexpr std::size_t k_recorded_data_uri_bytes = 64 * k_kib;  // longer ones are not kept in rows and replies
constexpr std::size_t k_max_input_files = k_max_frame_fds - 1; // the input's JSON may take one itself
constexpr std::string_view k_files_path = "/v1/files/";

std::string joined(const std::vector<std::string>& list) {
  std::string text;
  for (const std::string& entry : list)
    text += (text.empty() ? "" : ", ") + entry;
  return text;
}

std::string head_of(int fd) {
  std::array<char, 64> head{};
  const ssize_t got = ::pread(fd, head.data(), head.size(), 0);
  return got > 0 ? std::string(head.data(), static_cast<std::size_t>(got)) : std::string();
}

// Whether a value of this type may hold a file or a secret: a list of a million numbers is not walked.
bool concerns(const TypeSpec& type) {
  return type.type == ValueType::file || type.type == ValueType::secret ||
         std::ranges::any_of(type.items, concerns) ||
         std::ranges::any_of(type.properties, [](const auto& property) { return concerns(property.type); });
}

class Preparer {
 public:
  Preparer(PreparedInput& out, const OpenUpload& open_upload) : m_out(out), m_open_upload(open_upload) {}

  // Walks a value beside its type; `worker` and `record` start equal and part where files and secrets are.
  Result<void> walk(const std::string& name, const TypeSpec& type, Json& worker, Json& record) {
    if (worker.is_null()) return {};
    if (type.type == ValueType::file) return file(name, type, worker, record);
    if (type.type == ValueType::secret) {
      if (worker.is_string() && worker.get_ref<const std::string&>().size() >= k_min_secret_bytes)
        m_out.secrets.push_back(worker.get<std::string>());
      record = k_secret_mark;
      return {};
    }
    if (!concerns(type)) return {};
    if (type.type == ValueType::array && worker.is_array() && !type.items.empty())
      for (std::size_t i = 0; i < worker.size(); ++i)
        MRUN_TRY(walk(fmt::format("{}[{}]", name, i), type.items.front(), worker[i], record[i]));
    if (type.type == ValueType::object && worker.is_object())
      for (const auto& [key, property] : type.properties)
        if (worker.contains(key))
          MRUN_TRY(walk(fmt::format("{}.{}", name, key), property, worker[key], record[key]));
    return {};
  }

 private:
  Result<void> file(const std::string& name, const TypeSpec& type, Json& worker, Json& record) {
    if (!worker.is_string())
      return fail(ErrorCode::input_file,
                  fmt::format("input `{}` is not a data: URI or the URL of an upload", name));
    if (m_out.files.size() >= k_max_input_files)
      return fail(ErrorCode::input_file,
                  fmt::format("input `{}` is one file too many: a prediction takes at most {}", name,
                              k_max_input_files),
                  "split it over several predictions");
    const std::string text = worker.get<std::string>();
    Result<InputFile> file = is_data_uri(text) ? from_data_uri(name, text) : from_url(name, text);
    if (!file) return tl::unexpected(std::move(file).error());
    MRUN_TRY(check(name, type, *file));
    if (text.size() > k_recorded_data_uri_bytes)
      record = fmt::format("data:{};size={},", file->media_type, file->size_bytes);
    m_out.size_bytes += file->size_bytes;
    worker = {{"$file", m_out.files.size()},
              {"name", file->name},
              {"media_type", file->media_type},
              {"size", file->size_bytes}};
    m_out.files.push_back(std::move(file->fd));
    return {};
  }

  static Result<InputFile> from_data_uri(const std::string& name, const std::string& text) {
    DataUri uri;
    if (!parse_data_uri(text, uri))
      return fail(ErrorCode::input_file, fmt::format("input `{}` is not a valid data: URI", name));
    InputFile file;
    file.name = name;
    file.media_type = effective_media_type(uri.media_type, uri.bytes.substr(0, 64));
    file.size_bytes = uri.bytes.size();
    MRUN_ASSIGN(file.fd, sealed_memfd(name, uri.bytes));
    return file;
  }

  Result<InputFile> from_url(const std::string& name, const std::string& text) {
    const std::string id = upload_id_of_url(text);
    if (id.empty()) {
      const bool url = text.starts_with("http://") || text.starts_with("https://");
      return fail(ErrorCode::input_file,
                  url ? fmt::format("input `{}` is the address {}, and mrun fetches nothing by itself", name,
                                    printable(text, 100))
                      : fmt::format("input `{}` is neither a data: URI nor the URL of an upload", name),
                  url ? fmt::format("download it first, then give -i {}=@FILE", name) : "");
    }
    Result<InputFile> file = m_open_upload(id);
    if (!file)
      return fail(ErrorCode::input_file, fmt::format("input `{}`: {}", name, file.error().message),
                  "uploads are kept for 24 hours; upload it again");
    file->media_type = effective_media_type(file->media_type, head_of(file->fd.get()));
    return file;
  }

  static Result<void> check(const std::string& name, const TypeSpec& type, const InputFile& file) {
    if (type.max_bytes && file.size_bytes > *type.max_bytes)
      return fail(ErrorCode::input_file,
                  fmt::format("input `{}` has {}, at most {} are allowed", name,
                              format_bytes(file.size_bytes), format_bytes(*type.max_bytes)));
    if (!accepts_media_type(type.accept, file.media_type))
      return fail(ErrorCode::input_file, fmt::format("input `{}` is {}, the model accepts {}", name,
                                                     printable(file.media_type, 60), joined(type.accept)));
    return {};
  }

  PreparedInput& m_out;
  const OpenUpload& m_open_upload;
};

} // namespace

std::string upload_id_of_url(std::string_view url) {
  for (const std::string_view scheme : {"http://", "https://"})
    if (url.starts_with(scheme)) {
      url.remove_prefix(scheme.size());
      const std::size_t slash = url.find('/');
      url = slash == std::string_view::npos ? std::string_view() : url.substr(slash);
    }
  url = url.substr(0, url.find_first_of("?#"));
  if (url.starts_with("/v1/v1/")) // the address of a client whose base URL holds /v1 already
    url.remove_prefix(3);
  if (!url.starts_with(k_files_path)) return "";
  url.remove_prefix(k_files_path.size());
  std::string_view id = url.substr(0, url.find('/'));
  const std::string_view rest = url.substr(id.size());
  return is_prediction_id(id) && (rest.empty() || rest == "/download") ? std::string(id) : "";
}

// `secrets`: the longest first, so that none is cut in two by another that it holds.
void redact(std::string& text, const std::vector<std::string>& secrets) {
  for (const std::string& secret : secrets)
    for (std::size_t at = text.find(secret); at != std::string::npos;
         at = text.find(secret, at + k_secret_mark.size()))
      text.replace(at, secret.size(), k_secret_mark);
}

Result<PreparedInput> prepare_input(const Manifest& manifest, Json input, const OpenUpload& open_upload) {
  PreparedInput prepared;
  prepared.for_worker = std::move(input);
  prepared.for_record = prepared.for_worker;
  Preparer preparer(prepared, open_upload);
  for (const InputSpec& spec : manifest.inputs)
    if (prepared.for_worker.contains(spec.name))
      MRUN_TRY(preparer.walk(spec.name, spec.type, prepared.for_worker[spec.name],
                             prepared.for_record[spec.name]));
  std::ranges::sort(prepared.secrets, std::ranges::greater{}, &std::string::size);
  prepared.size_bytes += canonical_json(prepared.for_worker).size();
  return prepared;
}

} // namespace mrun
