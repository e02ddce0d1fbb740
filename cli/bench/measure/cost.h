// What the predictions of a benchmark cost.
#pragma once

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// Fills result.cost from what the daemon says of each prediction that was measured; nothing when none was.
void add_cost(BenchResult& result);

} // namespace mrun::bench
