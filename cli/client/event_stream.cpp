#include "cli/client/event_stream.h"

#include <charconv>

#include "cli/client/reply_limit.h"
#include "cli/render/json_text.h"

namespace mrun::cli {

Result<bool> EventStream::take(StreamEvent& event) {
  while (const auto raw = m_parser.next()) {
    const bool is_broken = raw->type == "error"; // the daemon can't go on recording it
    if (!is_broken && !find_event(raw->type, event.type)) continue;
    MRUN_ASSIGN(event.data, parse_json(raw->data, ErrorCode::daemon_unreachable, "an event of the daemon",
                                       {.max_bytes = k_max_reply_bytes}));
    if (!event.data.is_object())
      return fail(ErrorCode::daemon_unreachable, "an event of the daemon is not an object");
    event.seq = 0;
    std::from_chars(raw->id.data(), raw->id.data() + raw->id.size(), event.seq);
    if (!is_broken) return true;
    auto error = error_of_problem(event.data);
    if (!error) return fail(ErrorCode::daemon_unreachable, "the daemon sent an error that is none");
    return tl::unexpected<Error>(std::move(*error));
  }
  return false;
}

Result<EventStream::Got> EventStream::next(StreamEvent& event, Deadline deadline, int interrupt_fd) {
  while (true) {
    MRUN_ASSIGN(const bool has_event, take(event));
    if (has_event) return Got::event;
    std::string bytes;
    MRUN_ASSIGN(const ReadResult read, m_client.connection().read(bytes, deadline, interrupt_fd));
    MRUN_TRY(m_parser.feed(bytes));
    if (read == ReadResult::timed_out) return Got::timed_out;
    if (read == ReadResult::interrupted) return Got::interrupted;
    if (read == ReadResult::data) continue;
    MRUN_ASSIGN(const bool has_last, take(event));
    if (has_last) return Got::event;
    return fail(ErrorCode::daemon_unreachable, "the event stream ended before the prediction did");
  }
}

std::string event_line(const StreamEvent& event, const std::string& prediction,
                       std::optional<std::size_t> index) {
  Json line = {{"schema", "mrun.event/v1"},
               {"event", event_name(event.type)},
               {"seq", event.seq},
               {"prediction", prediction},
               {"data", event.data}};
  if (index) line["index"] = *index;
  return plain_json(line) + "\n";
}

} // namespace mrun::cli
