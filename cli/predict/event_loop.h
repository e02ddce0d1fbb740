// Follows a prediction's event stream to its end.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/client/event_stream.h"
#include "cli/client/interrupt.h"
#include "cli/context.h"
#include "cli/predict/output_sink.h"
#include "common/json.h"

namespace mrun::cli {

struct EventLoopOptions {
  std::string model;
  std::optional<std::chrono::nanoseconds> timeout; // for messages
  Deadline deadline;                               // when it passes
  bool print_id = false;
  // Whether this process asked for the prediction: then its own end is that of the prediction as well.
  bool is_ours = true;
};

struct EventLoopResult {
  Json prediction;               // the data of `done`; {id, status} of one that is left
  int interrupted_exit_code = 0; // 130 or 143 when a signal asked for the end
  bool is_pending = false;       // it was not ours and goes on: the limit passed, or a signal came
};

// The stream's head has been read from `client`. Output values go to `sink`, with --json=stream every event
// to standard output, log lines to standard error with --verbose. The first Ctrl-C asks the daemon to cancel
// and goes on until the prediction's end (a while at most); what is not ours is left alone. Errors:
// client_timeout (after asking to cancel), interrupted_by_user when that end did not come, daemon_unreachable
// when the stream breaks, those of the sink.
Result<EventLoopResult> follow_prediction(Context& context, DaemonClient& client, OutputSink& sink,
                                          const InterruptGuard& interrupt, const EventLoopOptions& options);

// Asks the daemon to cancel a prediction, on a connection of its own, and waits a moment for its answer.
// False when none came; closing the stream cancels as well.
bool ask_to_cancel(const Context& context, const std::string& id, int interrupt_fd = -1);
// What to say of a limit that passed.
std::string cancel_words(std::chrono::nanoseconds limit, bool is_heard);
// The error of a limit that passed before the daemon had taken the prediction.
tl::unexpected<Error> no_answer_in(std::chrono::nanoseconds limit);

// After Ctrl-C: the daemon's own ladder (cancel, SIGTERM, SIGKILL) fits into this.
inline constexpr std::chrono::seconds k_cancel_wait{15};

// Log lines of an event of that type, for --verbose.
void show_log(const Context& context, const Json& data);

} // namespace mrun::cli
