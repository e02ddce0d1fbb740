// Estimates that were made, kept to be compared with what came (state/estimates/ID.json).
#pragma once

#include <string>

#include "cli/context.h"
#include "common/json.h"

namespace mrun::cli {

// "e" and 16 hex digits.
std::string new_estimate_id();
// Keeps the newest 1,000. Error io, disk_full.
Result<void> keep_estimate(const Context& context, const std::string& id, const Json& estimate);
// Error cost_unknown: there is none of that id.
Result<Json> kept_estimate(const Context& context, const std::string& id);

} // namespace mrun::cli
