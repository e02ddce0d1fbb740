// The throughput–latency curve: closed loops up to the ceiling, then open loops at rates below and above it.
#pragma once

#include "cli/bench/measure/rig.h"

namespace mrun::bench {

// Fills result.load, ceiling, knee and slo rows. Steps that are given are run as they are; else concurrency
// doubles until throughput grows by less than 5 %, and rates are 10, 30, 50, 70, 85, 95 and 110 % of the
// ceiling.
Result<void> measure_load(Rig& rig, const Subject& subject, double share);

} // namespace mrun::bench
