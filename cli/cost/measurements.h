// What is known of a model from runs of it: inputs, times, units. From the ledger, a file, or made now.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/client/daemon_client.h"
#include "cli/context.h"
#include "cost/service_time.h"
#include "packager/store.h"

namespace mrun::cli {

inline constexpr std::size_t k_max_measurements = 10;

struct Measurement {
  Drivers drivers;
  std::optional<double> seconds;       // of the predict phase
  std::optional<double> setup_seconds; // of a load
  std::map<std::string, double> units; // image, megapixel, video_s, input_tokens, output_tokens
};

struct Measurements {
  std::vector<Measurement> runs;
  std::string source; // "4 past predictions", for people
  std::string device; // of all of them: cpu, cuda:N; "" not known
  double peak_bytes = 0;
};

// One input of a model, ready to be sent, and what its cost may hang on.
struct Case {
  Json input; // checked; small files as data URIs, larger ones by their path, to be uploaded when it is run
  Drivers drivers;
};

// The cases of -i or of a file of JSON objects, one a line (at most 10,000): typed and checked by the schema.
// Errors: input_*, cost_unknown with the line.
Result<std::vector<Case>> read_cases(const Manifest& manifest, const std::vector<std::string>& inputs,
                                     const std::string& path);
// Numbers, lengths of texts and arrays, bytes of files; `input_bytes` (of the input's JSON and files) tells
// the size of the one file that went as an upload.
Drivers drivers_of(const Manifest& manifest, const Json& input,
                   std::optional<double> input_bytes = std::nullopt);

// The newest predictions of the version that succeeded, and its loads: of the newest 10 those that ran where
// the newest did. Empty without.
Result<Measurements> past_measurements(DaemonClient& client, const Digest& version, const Manifest& manifest);
// {input, predict_ns, setup_ns, units} a line. Error cost_unknown with the line.
Result<Measurements> measurements_of_file(const Manifest& manifest, const std::string& path);

// Runs the cases one after the other, tagged `estimate=ID`, and follows each to its end. Errors: input_file,
// prediction_failed, cost_unknown for one that ended otherwise.
struct Ran {
  Measurements measured;
  std::vector<std::string> ids;
};
Result<Ran> run_cases(const Context& context, const Digest& version, const Manifest& manifest,
                      const std::vector<Case>& cases, const std::string& tag);

// Units of a ledger line as those of prices.
std::map<std::string, double> units_of(const Json& ledger_units);

} // namespace mrun::cli
