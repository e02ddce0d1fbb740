// What a daemon of this home would go by, from `mrund --describe`: schema mrun.describe/v1. Starts no daemon.
#pragma once

#include <string>

#include "cli/context.h"
#include "common/error.h"
#include "common/json.h"

namespace mrun::cli {

// `config_file`: another configuration than the home's, "" for none. Errors: daemon_start (the program is
// missing or does not answer), home_refused.
Result<Json> daemon_description(const Context& context, const std::string& config_file = {});

} // namespace mrun::cli
