// Server-sent events (WHATWG HTML §9.2.6) out of a byte stream that may be cut anywhere.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cli/client/reply_limit.h"
#include "common/error.h"

namespace mrun::cli {

struct SseEvent {
  std::string type = "message";
  std::string id = {}; // the last one seen
  std::string data = {};
};

class SseParser {
 public:
  // Of one event and of one line. Over it is an error, since the stream could not be followed any more.
  explicit SseParser(std::size_t max_event_bytes = k_max_reply_bytes) : m_max_event_bytes(max_event_bytes) {}

  // Adds bytes; call next() until it has no more before the next feed. Error daemon_unreachable when an event
  // passes the limit.
  Result<void> feed(std::string_view bytes);
  // The next whole event; nullopt until more is fed. Comments, `retry` and unknown fields are skipped.
  std::optional<SseEvent> next();

 private:
  bool take_line(std::string& line);
  std::optional<SseEvent> take_field(std::string_view line);

  std::size_t m_max_event_bytes;
  std::string m_buffer;
  std::size_t m_position = 0; // of the next unread byte in m_buffer
  std::size_t m_scanned = 0;  // no line end before it
  bool m_at_start = true;     // a byte order mark may come
  bool m_skip_newline = false;
  SseEvent m_event;
  bool m_has_data = false;
};

} // namespace mrun::cli
