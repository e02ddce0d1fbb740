// One prediction from the command line: one request on the daemon's socket, its events shown as they come.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/predict/output_sink.h"
#include "cli/predict/target.h"
#include "common/error.h"

namespace mrun::cli {

struct PredictOptions {
  std::vector<std::string> inputs; // as given to -i
  OutputOptions output;
  std::string device = "auto";
  std::optional<std::chrono::nanoseconds> timeout;
  std::vector<std::string> tags; // as given to --tag
  bool timings = false;
  bool print_id = false;
};

// The exit code; a failed prediction has been shown already. Errors: input_*, output_exists, client_timeout,
// those of the daemon and its API.
Result<int> run_prediction(Context& context, const PredictTarget& target, const PredictOptions& options);

} // namespace mrun::cli
