#include "daemon/http/reply.h"

#include <boost/beast/http/status.hpp>
#include <fmt/format.h>

#include "daemon/api/prediction.h"
#include "daemon/http/multipart.h"

namespace mrun {

Reply json_reply(int status, const Json& value) {
  Reply reply;
  reply.status = status;
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.body = canonical_json(value);
  return reply;
}

Reply problem_reply(const Error& error) {
  Reply reply = json_reply(error.row().http_status, problem_json(error));
  reply.content_type = "application/problem+json";
  if (reply.status == 429 || (reply.status == 503 && error.row().retryable))
    reply.headers.emplace_back("Retry-After", "1");
  if (reply.status == 401) reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"mrun\"");
  return reply;
}

Reply empty_reply(int status) {
  Reply reply;
  reply.status = status;
  reply.content_type.clear();
  return reply;
}

std::string reply_head(const Reply& reply, Framing framing, std::uint64_t content_length, bool keep_alive,
                       std::string_view build_id) {
  const auto reason =
      boost::beast::http::obsolete_reason(static_cast<boost::beast::http::status>(reply.status));
  std::string head;
  head.reserve(256);
  auto out = std::back_inserter(head);
  fmt::format_to(out, "HTTP/1.1 {} {}\r\n", reply.status, std::string_view(reason.data(), reason.size()));
  // A media type can come from a model's output or an upload: it must not write headers of its own.
  if (is_header_text(reply.content_type) && !reply.content_type.empty())
    fmt::format_to(out, "Content-Type: {}\r\n", reply.content_type);
  if (framing == Framing::length && reply.status != 204)
    fmt::format_to(out, "Content-Length: {}\r\n", content_length);
  if (framing == Framing::chunked) head += "Transfer-Encoding: chunked\r\n";
  for (const auto& [name, value] : reply.headers)
    fmt::format_to(out, "{}: {}\r\n", name, value);
  fmt::format_to(out, "Mrun-Build: {}\r\n", build_id);
  if (!keep_alive) head += "Connection: close\r\n";
  head += "\r\n";
  return head;
}

} // namespace mrun
