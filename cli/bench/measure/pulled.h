// Cold starts that begin with nothing: the model is fetched from its registry before each run.
#pragma once

#include "cli/bench/measure/private_home.h"
#include "cli/bench/measure/rig.h"

namespace mrun::bench {

// A private home with the model pulled into it. Errors: usage for a reference without a registry; those of
// run_mrun().
Result<PrivateHome> begin_pulls(cli::Context& context, const std::string& reference, int interrupt_fd);

// As measure_cold(); the pull's time is the run's fetch_ns.
Result<void> measure_pulls(Rig& rig, const Subject& subject, const PrivateHome& home, double share);

} // namespace mrun::bench
