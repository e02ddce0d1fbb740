// Cold starts: the state is reset by tier, checked, and one prediction is timed.
#pragma once

#include "cli/bench/measure/rig.h"

namespace mrun::bench {

// One run: unload, reset, check the page cache, predict over a new connection. Its sample may have failed.
Result<ColdRun> run_cold(Rig& rig, const Subject& subject, std::size_t input);

// options.runs of them (fewer when interrupted), into result.cold; those that failed are its failures.
Result<void> measure_cold(Rig& rig, const Subject& subject, double share);

// Notes the run, and adds it to the part if it succeeded.
void keep_cold_run(Rig& rig, ColdPart& part, ColdRun run, const std::string& name);

} // namespace mrun::bench
