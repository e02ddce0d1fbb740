// What config.yaml says of this machine's cost.
#pragma once

#include <optional>

#include "cli/context.h"
#include "cost/own_rate.h"

namespace mrun::cli {

// nullopt: nothing is set. Error config_invalid.
Result<std::optional<OwnRate>> load_own_rate(const Context& context);

} // namespace mrun::cli
