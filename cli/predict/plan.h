// --dry-run: what would run, where, in how much memory and for how much.
#pragma once

#include "cli/context.h"
#include "cli/predict/run.h"
#include "cli/predict/target.h"
#include "common/error.h"

namespace mrun::cli {

// Checks every input, asks the daemon if one runs, and starts nothing, no daemon either: without one the
// device, the time and the cost are not known. Errors: those that the predictions would meet.
Result<int> show_plan(Context& context, const PredictTarget& target, const PredictOptions& options);

} // namespace mrun::cli
