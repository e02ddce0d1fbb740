// Whether what was measured keeps what --slo promises.
#pragma once

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// A row for each latency limit. `missed`: how many were due besides the successes; each of them is above
// every limit, for whoever waited got no answer. A percentile that n does not carry misses its limit.
std::vector<SloRow> latency_rows(const Slo& slo, const std::string& part, Samples successes,
                                 std::size_t missed);

// The row of an error rate; only with a limit on it.
SloRow error_rate_row(const Slo& slo, const std::string& part, double rate);

// Judges the parts that are no load (whose steps are judged as they end): latency of the warm part, or of the
// cold one when it is all that was measured, and the error rate of each part.
void judge_parts(BenchResult& result);

} // namespace mrun::bench
