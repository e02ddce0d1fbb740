// The commands of mrun-cost, by name and first word.
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"

namespace mrun::cli {

Result<int> run_cost_program(Context& context, const CommandSpec& command, const Arguments& arguments,
                             char** argv);

Result<int> prices_ls(Context& context, const Arguments& arguments);
Result<int> prices_show(Context& context, const Arguments& arguments);
Result<int> prices_status(Context& context, const Arguments& arguments);
Result<int> prices_verify(Context& context, const Arguments& arguments);
Result<int> prices_import(Context& context, const Arguments& arguments);
Result<int> prices_update(Context& context, const Arguments& arguments);

Result<int> cost_setup(Context& context, const Arguments& arguments);
Result<int> cost_estimate(Context& context, const Arguments& arguments);
Result<int> cost_check(Context& context, const Arguments& arguments);
Result<int> cost_action(Context& context, const Arguments& arguments);
Result<int> cost_diff(Context& context, const Arguments& arguments);

} // namespace mrun::cli
