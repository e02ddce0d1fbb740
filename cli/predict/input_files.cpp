#include "cli/predict/input_files.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"
#include "common/media_type.h"
#include "common/text.h"
#include "packager/schema.h"

namespace mrun::cli {
namespace {

const TypeSpec* type_of_input(const Manifest& manifest, const std::string& name) {
  for (const InputSpec& input : manifest.inputs)
    if (input.name == name)
      return input.type.type == ValueType::array && !input.type.items.empty() ? &input.type.items[0]
                                                                              : &input.type;
  return nullptr;
}

// The places of file arguments: an input, or an item of an array input.
std::vector<Json::json_pointer> find_arguments(const Json& input) {
  std::vector<Json::json_pointer> places;
  for (const auto& [key, value] : input.items()) {
    const Json::json_pointer place = Json::json_pointer() / key;
    if (value.is_binary()) places.push_back(place);
    if (!value.is_array()) continue;
    for (std::size_t i = 0; i < value.size(); ++i)
      if (value[i].is_binary()) places.push_back(place / i);
  }
  return places;
}

std::string file_name_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return path == "-" ? "stdin" : path.substr(slash == std::string::npos ? 0 : slash + 1);
}

// A regular file is used as it is; anything else that can be read is read into a memfd, so that it has a
// size.
Result<void> make_sized(InputFile& file) {
  struct stat status {};
  if (::fstat(file.fd.get(), &status) < 0)
    return fail_errno(ErrorCode::input_file, errno, fmt::format("can't look at {}", file.path));
  if (S_ISDIR(status.st_mode)) return fail(ErrorCode::input_file, fmt::format("{} is a folder", file.path));
  if (S_ISREG(status.st_mode)) {
    file.size_bytes = static_cast<std::uint64_t>(status.st_size);
    return {};
  }
  MRUN_ASSIGN(const std::string bytes,
              read_all(file.fd.get(), k_max_upload_bytes, file.path, ErrorCode::input_file));
  file.size_bytes = bytes.size();
  MRUN_ASSIGN(file.fd, sealed_memfd("mrun-input", bytes));
  return {};
}

Result<std::string> read_start(const InputFile& file, std::size_t limit) {
  std::string bytes(std::min<std::uint64_t>(limit, file.size_bytes), '\0');
  std::size_t have = 0;
  while (have < bytes.size()) {
    const ssize_t got =
        ::pread(file.fd.get(), bytes.data() + have, bytes.size() - have, static_cast<off_t>(have));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(ErrorCode::input_file, errno, fmt::format("can't read {}", file.path));
    if (got == 0) break;
    have += static_cast<std::size_t>(got);
  }
  bytes.resize(have);
  return bytes;
}

Result<InputFile> open_file(const std::string& path, int stdin_fd) {
  InputFile file;
  file.path = path;
  file.name = file_name_of(path);
  if (path == "-")
    file.fd.reset(::fcntl(stdin_fd, F_DUPFD_CLOEXEC, 3));
  else
    file.fd.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file.fd) return fail_errno(ErrorCode::input_file, errno, fmt::format("can't open {}", path));
  MRUN_TRY(make_sized(file));
  return file;
}

Result<void> check_file(const InputFile& file, const std::string& input, const TypeSpec* type) {
  const std::uint64_t limit =
      type != nullptr
          ? std::min<std::uint64_t>(type->max_bytes.value_or(k_max_upload_bytes), k_max_upload_bytes)
          : k_max_upload_bytes;
  if (file.size_bytes > limit)
    return fail(ErrorCode::input_file,
                fmt::format("input `{}`: {} has {}, at most {} are allowed", input, file.path,
                            format_bytes(file.size_bytes), format_bytes(limit)));
  if (type == nullptr || accepts_media_type(type->accept, file.media_type)) return {};
  std::string allowed;
  for (const std::string& accepted : type->accept)
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", accepted);
  return fail(ErrorCode::input_file, fmt::format("input `{}`: {} looks like {}, the model takes {}", input,
                                                 file.path, file.media_type, allowed));
}

} // namespace

Json with_file_arguments(const Manifest& manifest, Json input, const std::filesystem::path& folder) {
  const auto replace = [&folder](Json& value) {
    if (!value.is_string() || !value.get_ref<const std::string&>().starts_with('@')) return;
    value = file_argument((folder / value.get_ref<const std::string&>().substr(1)).string());
  };
  for (auto& [key, value] : input.items()) {
    const TypeSpec* type = type_of_input(manifest, key);
    if (type == nullptr || type->type != ValueType::file) continue;
    replace(value);
    if (value.is_array())
      for (Json& item : value)
        replace(item);
  }
  return input;
}

Result<void> check_unopened(const Manifest& manifest, Json input) {
  for (const Json::json_pointer& place : find_arguments(input)) {
    Json& value = input.at(place);
    const std::string path = *file_argument_path(value);
    if (path != "-" && ::access(path.c_str(), R_OK) != 0)
      return fail_errno(ErrorCode::input_file, errno, fmt::format("can't open {}", path));
    value = "data:application/octet-stream;base64,";
  }
  MRUN_TRY(check_input(manifest, input));
  return {};
}

Result<std::vector<InputFile>> open_input_files(const Manifest& manifest, Json& input, int stdin_fd) {
  std::vector<InputFile> large;
  for (const Json::json_pointer& place : find_arguments(input)) {
    Json& value = input.at(place);
    const std::string path = *file_argument_path(value);
    const std::string name = place.parent_pointer().empty() ? place.back() : place.parent_pointer().back();
    auto opened = open_file(path, stdin_fd);
    if (!opened)
      return tl::unexpected<Error>(std::move(opened.error()).with_note(fmt::format("for input `{}`", name)));
    InputFile file = std::move(*opened);
    file.place = place;
    const TypeSpec* type = type_of_input(manifest, name);
    MRUN_ASSIGN(std::string start, read_start(file, k_inline_file_bytes));
    file.media_type = guess_media_type(file.name, start);
    MRUN_TRY(check_file(file, name, type));
    if (file.size_bytes <= k_inline_file_bytes)
      value = fmt::format("data:{};base64,{}", file.media_type, base64_encode(start));
    else
      large.push_back(std::move(file));
  }
  return large;
}

Json with_placeholders(Json input, const std::vector<InputFile>& files) {
  for (const InputFile& file : files)
    input.at(file.place) = fmt::format("data:{};base64,", file.media_type);
  return input;
}

namespace {

// A header value must not end early: quotes, line ends and control characters of a file's name become `_`.
std::string header_safe(std::string name) {
  for (char& c : name)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F || c == '"' || c == '\\') c = '_';
  return name;
}

HttpRequest upload_request(const InputFile& file) {
  // A boundary must not occur in the body (RFC 2046 §5.1.1): 128 random bits won't.
  std::uint64_t random[2] = {};
  MRUN_CHECK(::getentropy(random, sizeof random) == 0);
  const std::string boundary = fmt::format("mrun-{:016x}{:016x}", random[0], random[1]);
  return {.method = "POST",
          .target = "/v1/files",
          .headers = {{"Content-Type", fmt::format("multipart/form-data; boundary={}", boundary)}},
          .body = fmt::format("--{}\r\nContent-Disposition: form-data; name=\"content\"; filename=\"{}\"\r\n"
                              "Content-Type: {}\r\n\r\n",
                              boundary, header_safe(file.name), file.media_type),
          .file_fd = file.fd.get(),
          .file_size = file.size_bytes,
          .body_tail = fmt::format("\r\n--{}--\r\n", boundary)};
}

} // namespace

Result<void> upload_input_files(DaemonClient& client, std::vector<InputFile>& files, Json& input) {
  for (InputFile& file : files) {
    MRUN_ASSIGN(const Json reply, client.request(upload_request(file)));
    const Json::json_pointer url("/urls/get");
    if (!reply.contains(url) || !reply.at(url).is_string())
      return fail(ErrorCode::daemon_unreachable,
                  fmt::format("the daemon did not say where {} is", file.path));
    input.at(file.place) = reply.at(url);
    file.fd.reset();
  }
  return {};
}

} // namespace mrun::cli
