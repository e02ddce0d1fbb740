#include "cli/client/sse_parser.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::cli {

Result<void> SseParser::feed(std::string_view bytes) {
  m_buffer.erase(0, m_position);
  m_scanned -= std::min(m_scanned, m_position);
  m_position = 0;
  // What is left of earlier chunks is one unfinished line, once the caller has taken the whole events.
  if (m_buffer.size() > m_max_event_bytes || m_event.data.size() > m_max_event_bytes)
    return fail(ErrorCode::daemon_unreachable,
                fmt::format("the daemon sent an event of over {}", format_bytes(m_max_event_bytes)));
  m_buffer += bytes;
  return {};
}

// Lines end with LF, CR or CR LF; the LF of a pair may come in the next chunk.
bool SseParser::take_line(std::string& line) {
  if (m_skip_newline && m_position < m_buffer.size()) {
    if (m_buffer[m_position] == '\n') ++m_position;
    m_skip_newline = false;
  }
  const std::size_t from = std::max(m_position, m_scanned);
  const std::size_t end = m_buffer.find_first_of("\r\n", from);
  if (end == std::string::npos) {
    m_scanned = m_buffer.size();
    return false;
  }
  line.assign(m_buffer, m_position, end - m_position);
  m_skip_newline = m_buffer[end] == '\r';
  m_position = end + 1;
  return true;
}

std::optional<SseEvent> SseParser::next() {
  std::string line;
  while (take_line(line)) {
    if (m_at_start && line.starts_with("\xEF\xBB\xBF")) line.erase(0, 3);
    m_at_start = false;
    if (auto event = take_field(line)) return event;
  }
  return std::nullopt;
}

std::optional<SseEvent> SseParser::take_field(std::string_view line) {
  if (line.empty()) {
    const bool whole = std::exchange(m_has_data, false);
    SseEvent event = std::exchange(m_event, SseEvent{.id = m_event.id});
    if (!whole) return std::nullopt;
    event.data.pop_back(); // the newline after the last data line
    return event;
  }
  const std::size_t colon = line.find(':');
  const std::string_view field = line.substr(0, colon);
  std::string_view value = colon == std::string_view::npos ? std::string_view() : line.substr(colon + 1);
  if (value.starts_with(' ')) value.remove_prefix(1);
  if (field == "event")
    m_event.type = value;
  else if (field == "id" && value.find('\0') == std::string_view::npos)
    m_event.id = value;
  else if (field == "data") {
    m_event.data += value;
    m_event.data += '\n';
    m_has_data = true;
  }
  return std::nullopt;
}

} // namespace mrun::cli
