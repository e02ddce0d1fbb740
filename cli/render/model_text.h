// A model's inputs and output in words, for `mrun show`.
#pragma once

#include <string>

#include "cli/terminal.h"
#include "common/json.h"
#include "packager/store.h"

namespace mrun::cli {

// "integer, 1 to 1000", "string, 1 to 8192 characters", "file (image/png), at most 20 MiB".
std::string type_words(const TypeSpec& type);
// `stats`: of GET /mrun/v1/versions/{hex}/stats, null when unknown. Ends with a newline; for standard output.
std::string model_text(const Terminal& terminal, const Bundle& bundle, const Json& stats);
// The parts of it that say what goes in and what comes out.
std::string schema_text(const Terminal& terminal, const Manifest& manifest);
// Schema mrun.show/v1.
Json model_json(const Bundle& bundle, const Json& stats);
// The last measured run: "42 ms (cold start 61 ms)"; "not measured yet" without one.
std::string latency_words(const Json& stats);

} // namespace mrun::cli
