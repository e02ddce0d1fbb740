// Several predictions of one model: at most --jobs at once, their results in the order of their inputs.
#pragma once

#include "cli/context.h"
#include "cli/predict/run.h"
#include "cli/predict/target.h"
#include "common/error.h"

namespace mrun::cli {

// Results are shown as `predict` shows one, one after the other; with --json a line each, with --json=stream
// the events of all as they come, with the `index` of each. The first that fails ends it: those before it are
// still shown, those behind it are canceled. With --keep-going all run, but when the daemon can't be reached.
// The exit code is 0, or that of the first input, in their order, that failed; a failure has been shown
// already. Errors: those of the inputs before anything ran.
Result<int> run_batch(Context& context, const PredictTarget& target, const PredictOptions& options);

// --detach: all are handed to the daemon, their ids printed. A limit becomes a deadline in the daemon.
Result<int> run_detached(Context& context, const PredictTarget& target, const PredictOptions& options);

} // namespace mrun::cli
