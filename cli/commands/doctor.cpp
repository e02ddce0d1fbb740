// mrun doctor: what is there, what is wrong, and the way out.
#include <algorithm>

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/doctor/checks.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"

namespace mrun::cli {
namespace {

constexpr FlagSpec k_flags[] = {{.name = "fix", .help = "mend what can be mended without losing anything"}};
constexpr ExampleSpec k_examples[] = {{"doctor", "a line for each check, with the way out of what is wrong"},
                                      {"doctor --fix", "the same, and mends what it can"},
                                      {"doctor --json", "for a bug report"}};
constexpr int k_exit_codes[] = {3};
constexpr int k_exit_failed = 3;

Style style_of(CheckState state) {
  return state == CheckState::ok ? Style::good : state == CheckState::warning ? Style::note : Style::error;
}

void repair(std::vector<Check>& checks, const Context& context) {
  for (Check& check : checks) {
    if (!check.repair) continue;
    const Result<void> done = check.repair();
    if (!done) {
      context.warn(fmt::format("{}: {}", check.id, done.error().message));
      continue;
    }
    check.was_repaired = true;
    check.state = CheckState::ok;
    check.says += ": mended";
    check.help.clear();
  }
}

Json json_of(const std::vector<Check>& checks, bool ok) {
  Json list = Json::array();
  for (const Check& check : checks)
    list.push_back({{"id", check.id},
                    {"state", check_state_name(check.state)},
                    {"says", check.says},
                    {"help", check.help.empty() ? Json(nullptr) : Json(check.help)},
                    {"can_fix", static_cast<bool>(check.repair)},
                    {"fixed", check.was_repaired}});
  return {{"schema", "mrun.doctor/v1"}, {"ok", ok}, {"checks", std::move(list)}};
}

Result<int> run(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(HomePaths home, context.home());
  MRUN_ASSIGN(InstallPaths install, context.install());
  std::vector<Check> checks = run_checks(gather_facts(context, std::move(home), std::move(install)));
  if (arguments.has("fix")) repair(checks, context);
  const bool ok =
      std::ranges::none_of(checks, [](const Check& check) { return check.state == CheckState::failed; });
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, json_of(checks, ok)));
    return ok ? 0 : k_exit_failed;
  }
  for (const Check& check : checks) {
    const std::string state(check_state_name(check.state));
    MRUN_TRY(context.terminal.out(fmt::format("{}{}  {:<9}  {}\n",
                                              context.terminal.paint_out(style_of(check.state), state),
                                              std::string(7 - state.size(), ' '), check.id, check.says)));
    if (!check.help.empty()) MRUN_TRY(context.terminal.out(fmt::format("{:<20}{}\n", "", check.help)));
  }
  return ok ? 0 : k_exit_failed;
}

} // namespace

extern const CommandSpec k_command_doctor;
constinit const CommandSpec k_command_doctor{
    .name = "doctor",
    .group = CommandGroup::manage,
    .summary = "look whether everything is in order",
    .description =
        "Looks at the installation, the home, the configuration, the store, the database, the "
        "daemon, LibTorch,\n"
        "GPUs, limits, the workers' sandbox and the clock. Starts nothing and changes nothing "
        "without --fix.\n"
        "--fix takes the right to write from others where that is too wide, makes the home's folders "
        "that are\n"
        "missing, and removes what a daemon or a `mrun config set` that was killed left behind: its "
        "socket, its\n"
        "file `config.yaml.mrun-check-…`.\n"
        "Exit code 3 when something is wrong; warnings are none.",
    .flags = k_flags,
    .examples = k_examples,
    .exit_codes = k_exit_codes,
    .run = run,
};

} // namespace mrun::cli
