#include "cli/cost/dispatch.h"

#include <fmt/format.h>

namespace mrun::cli {
namespace {

struct Action {
  std::string_view command, name;
  CommandRun run;
};
constexpr Action k_actions[] = {
    {"prices", "ls", prices_ls},         {"prices", "show", prices_show},
    {"prices", "status", prices_status}, {"prices", "verify", prices_verify},
    {"prices", "import", prices_import}, {"prices", "update", prices_update},
    {"cost", "setup", cost_setup},       {"cost", "estimate", cost_estimate},
    {"cost", "check", cost_check},       {"cost", "action", cost_action},
    {"cost", "diff", cost_diff},
};

} // namespace

Result<int> run_cost_program(Context& context, const CommandSpec& command, const Arguments& arguments,
                             char**) {
  for (const Action& action : k_actions)
    if (action.command == command.name && action.name == arguments.positional(0))
      return action.run(context, arguments);
  return fail(ErrorCode::internal,
              fmt::format("mrun-cost lacks `{} {}`", command.name, arguments.positional(0)));
}

} // namespace mrun::cli
