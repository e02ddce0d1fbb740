// Follows a prediction's event stream to its end.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cli/predict/output_sink.h"
#include "common/json.h"

namespace mrun::cli {

struct EventLoopOptions {
  std::string model;
  std::optional<std::chrono::nanoseconds> timeout;
  bool print_id = false;
};

struct EventLoopResult {
  Json prediction;               // the data of `done`
  int interrupted_exit_code = 0; // 130 or 143 when a signal asked for the end
};

// The stream's head has been read from `client`. Output values go to `sink`, log lines to standard error with
// --verbose. The first Ctrl-C asks the daemon to cancel and goes on until the prediction's end (a while at
// most). Errors: client_timeout (after asking to cancel), daemon_unreachable when the stream breaks, those of
// the sink.
Result<EventLoopResult> follow_prediction(Context& context, DaemonClient& client, OutputSink& sink,
                                          const EventLoopOptions& options);

} // namespace mrun::cli
