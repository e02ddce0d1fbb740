// The pictures of the HTML report: SVG with the page's own classes.
#pragma once

#include <string>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// The phases of each cold run as a bar (the first 40), and what the colours mean.
std::string phase_legend(const ColdPart& part);
std::string phase_bars(const ColdPart& part, const std::string& title);
// Latency by percentile; `fresh` not empty, `base` may be.
std::string percentile_plot(const Samples& fresh, const Samples& base);
// Latency against throughput, with the knee and the limit; "" when no step has answers enough.
std::string load_plot(const BenchResult& result);

} // namespace mrun::bench
