// Whether a result may be believed.
#pragma once

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// Fills warnings and invalid_reasons from what was measured.
void judge_validity(BenchResult& result);

} // namespace mrun::bench
