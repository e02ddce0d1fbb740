// One prediction from start to end: its input checked and sent, its events shown as they come.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "cli/context.h"
#include "cli/predict/output_sink.h"
#include "cli/predict/request.h"
#include "cli/predict/target.h"
#include "common/error.h"

namespace mrun::cli {

struct PredictOptions {
  std::vector<std::string> inputs; // as given to -i
  std::string inputs_file;         // --inputs; "-": standard input; "": none
  long long count = 1;             // -n
  long long jobs = 1;
  bool keep_going = false;
  OutputOptions output;
  std::string device = "auto";
  std::optional<std::chrono::nanoseconds> timeout; // of each
  long long retries = 0;                           // of each
  std::vector<std::string> tags;                   // as given to --tag
  bool timings = false;
  bool print_id = false;

  bool is_batch() const { return !inputs_file.empty() || count > 1; }
};

// Error tag_invalid.
Result<RequestOptions> request_options(const PredictTarget& target, const PredictOptions& options);

// The exit code; a failed prediction has been shown already. Errors: input_*, output_exists, client_timeout,
// those of the daemon and its API.
Result<int> run_prediction(Context& context, const PredictTarget& target, const PredictOptions& options);

} // namespace mrun::cli
