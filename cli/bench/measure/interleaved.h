// A model beside its baseline in one run: blocks A B B A …, so that both sides share the machine's moods.
#pragma once

#include "cli/bench/measure/rig.h"

namespace mrun::bench {

// Measures what options say of both, fills result.cold and result.warm with the new one's samples and
// result.compare with the baseline's and the verdicts.
Result<void> measure_interleaved(Rig& rig, const Subject& base, const Subject& fresh);

} // namespace mrun::bench
