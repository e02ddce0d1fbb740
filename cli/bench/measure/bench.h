// One benchmark from beginning to end.
#pragma once

#include "cli/bench/measure/result.h"
#include "cli/context.h"

namespace mrun::bench {

// Measures what the options ask of the model that the arguments name. What was measured is returned even when
// it was interrupted (`partial`), predictions failed or it is not valid. Errors: of finding the model, of its
// inputs, of the daemon, bench_*.
Result<BenchResult> run_bench(cli::Context& context, const cli::Arguments& arguments, const Options& options,
                              int interrupt_fd);

} // namespace mrun::bench
