// A prediction's events as they come over a connection (docs/formats/events.md).
#pragma once

#include <cstdint>
#include <string>

#include "cli/client/daemon_client.h"
#include "cli/client/sse_parser.h"
#include "common/json.h"
#include "daemon/api/prediction.h"

namespace mrun::cli {

struct StreamEvent {
  EventType type = EventType::queued;
  std::uint64_t seq = 0; // 0: the daemon did not number it
  Json data;             // an object
};

class EventStream {
 public:
  // The head of the reply has been read from `client`, which outlives the stream.
  explicit EventStream(DaemonClient& client) : m_client(client) {}

  enum class Got { event, timed_out, interrupted };
  // Events of a kind that only a newer daemon knows are skipped. Errors: daemon_unreachable when the stream
  // breaks, ends, or is none; that of an `error` event, when the daemon can't record what happens.
  Result<Got> next(StreamEvent& event, Deadline deadline, int interrupt_fd);
  int fd() const { return m_client.connection().fd(); }

 private:
  Result<bool> take(StreamEvent& event); // false: more bytes are needed

  DaemonClient& m_client;
  SseParser m_parser;
};

// An event as `--json=stream` prints it: {data, event, prediction, schema: mrun.event/v1, seq}, with `index`
// (from 0) where several predictions were asked for. Ends with a newline.
std::string event_line(const StreamEvent& event, const std::string& prediction,
                       std::optional<std::size_t> index = std::nullopt);

} // namespace mrun::cli
