// Replicate's files: uploads by multipart form, streamed to the disk; downloads from it.
#include <fmt/format.h>

#include "common/clock.h"

#include "daemon/endpoints/endpoints.h"
#include "daemon/endpoints/views.h"
#include "daemon/http/multipart.h"

namespace mrun {
namespace {

constexpr std::size_t k_form_overhead_bytes = 256 * k_kib; // boundaries, part headers, small fields
constexpr std::size_t k_max_field_bytes = 64 * k_kib;
constexpr std::size_t k_max_name_bytes = 255;
constexpr std::size_t k_page_length = 100;

Json file_json(const UploadedFile& file, std::string_view base_url) {
  const std::string self = fmt::format("{}/v1/files/{}", base_url, file.id);
  return {{"id", file.id},
          {"name", file.name},
          {"content_type", file.media_type},
          {"size", file.size_bytes},
          {"etag", file.sha256_hex},
          {"checksums", {{"sha256", file.sha256_hex}}},
          {"metadata", Json::object()},
          {"created_at", rfc3339_utc(file.created_ns)},
          {"expires_at", rfc3339_utc(file.expires_ns)},
          {"urls", {{"get", self}, {"download", self + "/download"}}}};
}

Callback<UploadedFile> answer_with_object(int status, const Request& request, Responder responder) {
  return answer_with<UploadedFile>(std::move(responder), [status, base_url = request.base_url](
                                                             const UploadedFile& file, Responder answer) {
    answer.reply(json_reply(status, file_json(file, base_url)));
  });
}

// The form's fields: `content` (the file), `filename`, `type`, `metadata` (read and dropped).
class Upload : public BodySink, private MultipartListener {
 public:
  Upload(PredictionService& service, std::string boundary, UniqueFd fd)
      : m_service(service),
        m_parser(std::move(boundary), *this),
        m_fd(std::move(fd)) {}

  Result<void> write(std::string_view bytes) override { return m_parser.put(bytes); }

  void finish(Request request, Responder responder) override {
    if (auto whole = check(); !whole) return responder.reply(whole.error());
    m_service.finish_upload(std::move(m_fd), std::move(m_name), std::move(m_media_type),
                            answer_with_object(201, request, std::move(responder)));
  }

 private:
  Result<void> on_part(const MultipartPart& part) override {
    m_field = part.name;
    if (m_field != "content") return {};
    if (std::exchange(m_has_content, true))
      return fail(ErrorCode::body_invalid, "the form has two parts `content`");
    if (m_name.empty()) m_name = part.file_name;
    if (m_media_type.empty()) m_media_type = part.content_type;
    return {};
  }

  Result<void> on_data(std::string_view bytes) override {
    if (m_field == "content") {
      m_size_bytes += bytes.size();
      if (m_size_bytes > k_max_upload_bytes)
        return fail(ErrorCode::request_too_large, "files must be less than 100 MiB in size");
      return write_all(m_fd.get(), bytes, "the uploaded file");
    }
    m_field_bytes += bytes.size();
    if (m_field_bytes > k_max_field_bytes)
      return fail(ErrorCode::request_too_large,
                  fmt::format("the form's fields have over {} bytes", k_max_field_bytes));
    if (m_field == "filename") m_given_name.append(bytes);
    if (m_field == "type") m_given_type.append(bytes);
    return {};
  }

  Result<void> check() {
    MRUN_TRY(m_parser.finish());
    if (!m_has_content) return fail(ErrorCode::body_invalid, "the form has no part `content`");
    if (!m_given_name.empty()) m_name = m_given_name;
    if (!m_given_type.empty()) m_media_type = m_given_type;
    if (m_name.empty()) m_name = "file";
    if (m_media_type.empty()) m_media_type = "application/octet-stream";
    if (m_name.size() > k_max_name_bytes || m_media_type.size() > k_max_name_bytes)
      return fail(ErrorCode::body_invalid,
                  fmt::format("the file's name or type has over {} bytes", k_max_name_bytes));
    if (!is_header_text(m_name) || !is_header_text(m_media_type))
      return fail(ErrorCode::body_invalid, "the file's name or type has control characters or is not UTF-8");
    return {};
  }

  PredictionService& m_service;
  MultipartParser m_parser;
  UniqueFd m_fd;
  std::string m_name, m_media_type, m_given_name, m_given_type;
  std::string m_field;
  std::size_t m_size_bytes = 0, m_field_bytes = 0;
  bool m_has_content = false;
};

Result<std::unique_ptr<BodySink>> open_upload(EndpointContext& context, const Request& request) {
  MRUN_ASSIGN(std::string boundary, multipart_boundary(request.header("content-type")));
  MRUN_ASSIGN(UniqueFd fd, context.service.begin_upload());
  return std::make_unique<Upload>(context.service, std::move(boundary), std::move(fd));
}

void list(EndpointContext& context, Request request, Responder responder) {
  const Result<FilePage> page =
      context.service.list_files(std::string(request.query_value("cursor").value_or("")), k_page_length);
  if (!page) return responder.reply(page.error());
  Json results = Json::array();
  for (const UploadedFile& file : page->files)
    results.push_back(file_json(file, request.base_url));
  Json next;
  if (!page->next_cursor.empty())
    next = fmt::format("{}/v1/files?cursor={}", request.base_url, page->next_cursor);
  responder.reply(json_reply(200, {{"next", next}, {"previous", nullptr}, {"results", results}}));
}

void get(EndpointContext& context, Request request, Responder responder) {
  context.service.get_file(request.params[0], answer_with_object(200, request, std::move(responder)));
}

void remove(EndpointContext& context, Request request, Responder responder) {
  context.service.remove_file(
      request.params[0],
      answer_with<UploadedFile>(std::move(responder), [](const UploadedFile&, Responder answer) {
        answer.reply(empty_reply(204));
      }));
}

void download(EndpointContext& context, Request request, Responder responder) {
  context.service.open_file(request.params[0], answer_with_file(std::move(responder)));
}

constexpr Route k_routes[] = {
    {"POST", "/v1/files", Access::predict, nullptr, k_max_upload_bytes + k_form_overhead_bytes, open_upload},
    {"GET", "/v1/files", Access::read, list},
    {"GET", "/v1/files/{id}", Access::read, get},
    {"DELETE", "/v1/files/{id}", Access::predict, remove},
    {"GET", "/v1/files/{id}/download", Access::read, download},
};

} // namespace

std::span<const Route> routes_files() {
  return k_routes;
}

} // namespace mrun
