// What a daemon of this home would go by, told without starting one: `mrund --describe`, for `mrun config`
// and `mrun doctor` (docs/formats/config.md).
#pragma once

#include <string>

#include "common/json.h"
#include "common/paths.h"

namespace mrun {

// Schema mrun.describe/v1: `paths`, `config` (`file`, `error`: null or {message, hint}, `values`: {key,
// value, origin} of every key), `torch` (`dir`, `origin`, `version`, `cuda`), `machine` (`cores`,
// `memory_budget_bytes`, `gpus`, `driver`), `database` (`state`: absent, ok or damaged, `message`). Opens the
// database read-only, and nothing else is touched. `config_file`: another one than the home's, "" for none.
Json describe(const HomePaths& home, const InstallPaths& install, const std::string& config_file);

} // namespace mrun
