// How far an estimate was off, by the ledger's lines that carry its tag.
#pragma once

#include <string>

#include "cli/context.h"
#include "common/json.h"

namespace mrun::cli {

// mrun.cost_check/v1 of a kept estimate. Error cost_unknown: no prediction carries its tag.
Result<Json> check_estimate(const Context& context, const Json& estimate);
std::string check_words(const Json& check);

} // namespace mrun::cli
