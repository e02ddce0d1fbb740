#include "daemon/http/multipart.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_part_head_bytes = 8 * k_kib;
constexpr std::size_t k_max_parts = 64;
constexpr std::size_t k_max_boundary_bytes = 70; // RFC 2046 §5.1.1

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::body_invalid, std::move(message));
}

// A parameter of a header value: `name="a \"b\""` or name=token; "" when absent. Parameter names are matched
// in lower case.
std::string parameter(std::string_view value, std::string_view name) {
  std::size_t position = value.find(';');
  while (position != std::string_view::npos) {
    value.remove_prefix(position + 1);
    value = trim(value);
    const std::size_t equals = value.find('=');
    if (equals == std::string_view::npos) return {};
    const bool wanted = lower_ascii(trim(value.substr(0, equals))) == name;
    value.remove_prefix(equals + 1);
    std::string text;
    std::size_t i = 0;
    if (value.starts_with('"')) {
      for (i = 1; i < value.size() && value[i] != '"'; ++i) {
        if (value[i] == '\\' && i + 1 < value.size()) ++i;
        text += value[i];
      }
    } else {
      for (; i < value.size() && value[i] != ';'; ++i)
        text += value[i];
      text = std::string(trim(text));
    }
    if (wanted) return text;
    position = value.find(';', i);
  }
  return {};
}

Result<MultipartPart> parse_part_head(std::string_view head) {
  MultipartPart part;
  while (!head.empty()) {
    const std::string_view line = head.substr(0, head.find("\r\n"));
    head.remove_prefix(std::min(line.size() + 2, head.size()));
    const std::size_t colon = line.find(':');
    if (colon == std::string_view::npos) return invalid("a part of the form has a header without a colon");
    const std::string name = lower_ascii(trim(line.substr(0, colon)));
    const std::string_view value = trim(line.substr(colon + 1));
    if (name == "content-type") part.content_type = std::string(value);
    if (name != "content-disposition") continue;
    part.name = parameter(value, "name");
    part.file_name = parameter(value, "filename");
  }
  if (part.name.empty()) return invalid("a part of the form has no name");
  return part;
}

} // namespace

bool is_header_text(std::string_view text) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return is_valid_utf8(text) && std::none_of(text.begin(), text.end(), control);
}

Result<std::string> multipart_boundary(std::string_view content_type) {
  const std::string media_type = lower_ascii(trim(content_type.substr(0, content_type.find(';'))));
  if (media_type != "multipart/form-data")
    return fail(ErrorCode::media_type,
                fmt::format("the request's Content-Type is `{}`", printable(media_type, 60)),
                "send a form: curl -F content=@FILE");
  std::string boundary = parameter(content_type, "boundary");
  if (boundary.empty() || boundary.size() > k_max_boundary_bytes || !is_header_text(boundary))
    return invalid("the form has no valid boundary");
  return boundary;
}

MultipartParser::MultipartParser(std::string boundary, MultipartListener& listener)
    : m_delimiter("\r\n--" + std::move(boundary)),
      m_listener(listener),
      m_pending("\r\n") {} // the first delimiter may
                           // stand at the very front

Result<void> MultipartParser::put(std::string_view bytes) {
  m_pending.append(bytes);
  while (true) {
    MRUN_ASSIGN(const bool moved, step());
    if (!moved) return {};
  }
}

Result<void> MultipartParser::finish() const {
  if (m_state != State::epilogue) return invalid("the form ends before its closing boundary");
  return {};
}

Result<bool> MultipartParser::step() {
  switch (m_state) {
  case State::preamble:
    return skip_preamble();
  case State::after_boundary:
    return after_boundary();
  case State::part_head:
    return part_head();
  case State::part_data:
    return part_data();
  case State::epilogue:
    m_pending.clear();
    return false;
  }
  return false;
}

Result<bool> MultipartParser::skip_preamble() {
  const std::size_t found = m_pending.find(m_delimiter);
  if (std::min(found, m_pending.size()) > k_max_part_head_bytes)
    return invalid("the form does not begin with its boundary");
  if (found == std::string::npos) return false;
  m_pending.erase(0, found + m_delimiter.size());
  m_state = State::after_boundary;
  return true;
}

Result<bool> MultipartParser::after_boundary() {
  const std::size_t padding = std::min(m_pending.find_first_not_of(" \t"), m_pending.size());
  if (padding > k_max_boundary_bytes) return invalid("a boundary of the form is followed by too much space");
  if (m_pending.size() - padding < 2) return false;
  const std::string_view next = std::string_view(m_pending).substr(padding, 2);
  if (next != "--" && next != "\r\n") return invalid("a boundary of the form is not followed by a new line");
  m_state = next == "--" ? State::epilogue : State::part_head;
  m_pending.erase(0, padding + (next == "--" ? 2 : 0)); // the CRLF stays: a head without headers is CRLF CRLF
  return true;
}

Result<bool> MultipartParser::part_head() {
  const std::size_t end = m_pending.find("\r\n\r\n");
  if (std::min(end, m_pending.size()) > k_max_part_head_bytes)
    return fail(ErrorCode::request_too_large,
                fmt::format("a part of the form has over {} bytes of headers", k_max_part_head_bytes));
  if (end == std::string::npos) return false;
  if (++m_parts > k_max_parts)
    return fail(ErrorCode::request_too_large, fmt::format("the form has over {} parts", k_max_parts));
  MRUN_ASSIGN(const MultipartPart part,
              parse_part_head(std::string_view(m_pending).substr(std::min<std::size_t>(2, end),
                                                                 end - std::min<std::size_t>(2, end))));
  MRUN_TRY(m_listener.on_part(part));
  m_pending.erase(0, end + 2); // the last CRLF stays: an empty part's delimiter begins with it
  m_state = State::part_data;
  m_skip = 2;
  return true;
}

Result<bool> MultipartParser::part_data() {
  const std::size_t found = m_pending.find(m_delimiter);
  const std::size_t certain = found != std::string::npos ? found
                              : m_pending.size() < m_delimiter.size()
                                  ? 0
                                  : m_pending.size() - m_delimiter.size() + 1;
  if (certain > m_skip)
    MRUN_TRY(m_listener.on_data(std::string_view(m_pending).substr(m_skip, certain - m_skip)));
  if (found == std::string::npos) {
    m_pending.erase(0, certain);
    m_skip -= std::min(m_skip, certain);
    return false;
  }
  m_pending.erase(0, found + m_delimiter.size());
  m_state = State::after_boundary;
  return true;
}

} // namespace mrun
