#include "daemon/http/head.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

// RFC 9110 §5.6.2.
bool is_token_character(char c) {
  const bool alphanumeric = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
  return alphanumeric || std::string_view("!#$%&'*+-.^_`|~").find(c) != std::string_view::npos;
}

bool is_token(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_token_character);
}

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::request_invalid, std::move(message));
}

Result<void> check_request_line(std::string_view line) {
  const auto parts = split(line, ' ');
  if (parts.size() != 3 || !is_token(parts[0]))
    return invalid("the request line is not `METHOD /path HTTP/1.1`");
  if (parts[1].empty() || parts[1].front() != '/')
    return invalid(fmt::format("the target `{}` does not begin with `/`", printable(parts[1], 60)));
  if (parts[2] != "HTTP/1.1" && parts[2] != "HTTP/1.0")
    return invalid(fmt::format("`{}` is not HTTP/1.1", printable(parts[2], 20)));
  return {};
}

// Headers of which two would be two opinions about where the request ends or whom it is for.
struct Once {
  bool content_length = false;
  bool transfer_encoding = false;
  bool host = false;
};

Result<void> check_once(std::string_view name, std::string_view value, Once& once) {
  bool* seen = nullptr;
  if (name == "content-length") {
    seen = &once.content_length;
    const bool digits = !value.empty() && value.size() <= 15 &&
                        value.find_first_not_of("0123456789") == std::string_view::npos;
    if (!digits) return invalid(fmt::format("Content-Length `{}` is not a length", printable(value, 30)));
  } else if (name == "transfer-encoding") {
    seen = &once.transfer_encoding;
    if (lower_ascii(value) != "chunked")
      return invalid(fmt::format("Transfer-Encoding `{}` is not `chunked`", printable(value, 30)));
  } else if (name == "host") {
    seen = &once.host;
    if (!is_host(value)) return invalid(fmt::format("Host `{}` is not a host", printable(value, 60)));
  }
  if (seen == nullptr) return {};
  if (std::exchange(*seen, true)) return invalid(fmt::format("the header {} is there twice", name));
  return {};
}

Result<void> check_header_line(std::string_view line, Once& once) {
  if (line.front() == ' ' || line.front() == '\t') return invalid("a header is folded over two lines");
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || !is_token(line.substr(0, colon)))
    return invalid(fmt::format("`{}` is not a header", printable(line, 60)));
  return check_once(lower_ascii(line.substr(0, colon)), trim(line.substr(colon + 1)), once);
}

} // namespace

Result<std::size_t> find_head_end(std::string_view bytes, std::size_t& scanned, std::size_t max_bytes) {
  for (std::size_t i = scanned; i < bytes.size(); ++i) {
    const auto byte = static_cast<unsigned char>(bytes[i]);
    if (i >= max_bytes)
      return fail(ErrorCode::request_too_large,
                  fmt::format("the request's head has over {} bytes", max_bytes));
    if (byte == '\n') {
      if (i == 0 || bytes[i - 1] != '\r') return invalid("a line of the request's head ends without CR");
      if (i >= 3 && bytes[i - 2] == '\n') return i + 1;
      if (i == 1) return invalid("the request begins with an empty line");
    } else if (i > 0 && bytes[i - 1] == '\r') {
      return invalid("the request's head has a CR that ends no line");
    } else if ((byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7f) {
      return invalid(fmt::format("the request's head has the control character 0x{:02x}", byte));
    }
    scanned = i + 1;
  }
  return std::size_t{0};
}

Result<void> check_head(std::string_view head, std::size_t max_headers) {
  Once once;
  std::size_t headers = 0;
  bool http_1_0 = false;
  for (bool first = true; !head.empty(); first = false) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(line.size() + 2, head.size()));
    if (line.empty()) break;
    if (first) {
      MRUN_TRY(check_request_line(line));
      http_1_0 = line.ends_with("1.0");
      continue;
    }
    MRUN_TRY(check_header_line(line, once));
    if (++headers > max_headers)
      return fail(ErrorCode::request_too_large, fmt::format("the request has over {} headers", max_headers));
  }
  if (once.content_length && once.transfer_encoding)
    return invalid("the request has both Content-Length and Transfer-Encoding");
  if (once.transfer_encoding && http_1_0) return invalid("HTTP/1.0 has no Transfer-Encoding");
  if (!once.host && !http_1_0) return invalid("the request has no Host header");
  return {};
}

bool is_host(std::string_view host) {
  const auto allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view(".-_:[]%").find(c) != std::string_view::npos;
  };
  return !host.empty() && host.size() <= 255 && std::all_of(host.begin(), host.end(), allowed);
}

} // namespace mrun
