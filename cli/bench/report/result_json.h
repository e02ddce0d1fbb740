// The result as JSON, schema mrun.bench/v1 (docs/formats/bench.md): authoritative, with every raw sample.
#pragma once

#include <string_view>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

inline constexpr std::string_view k_result_schema = "mrun.bench/v1";

Json result_json(const BenchResult& result);
// What was given as inputs, which a later run must share to be compared: -i, and the cases file by its
// content.
Json inputs_json(const BenchResult& result);
Json options_json(const Options& options);

} // namespace mrun::bench
