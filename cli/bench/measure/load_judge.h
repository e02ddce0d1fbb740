// What a step of a load amounts to: late, within the SLO, the knee.
#pragma once

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// Judges the step, counts its predictions and adds it to result.load. `is_gate`: it was asked for, so that
// its limits are rows of the SLO, a saturated step missing one; else it is part of a sweep.
void keep_step(BenchResult& result, LoadStep step, bool is_gate);

// The highest rate whose step was run to its end by a generator and a server that kept up, has answers enough
// for a median, and meets the SLO (without an error rate: at most 1 % errors).
void find_knee(BenchResult& result);

} // namespace mrun::bench
