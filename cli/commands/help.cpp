// mrun help [COMMAND].
#include "cli/help.h"

#include <fmt/format.h>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"
#include "cli/render/json_text.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr PositionalSpec k_positionals[] = {
    {.name = "COMMAND", .required = false, .help = "one of mrun's commands, or `environment`"}};
constexpr ExampleSpec k_examples[] = {{"help", "every command"},
                                      {"help predict", "one command"},
                                      {"help --json", "the whole table, for programs"},
                                      {"help environment", "the variables that mrun reads"}};

Result<int> run(Context& context, const Arguments& arguments) {
  const std::string name = arguments.positional(0);
  if (context.json) {
    MRUN_TRY(print_json(context.terminal, help_json()));
    return 0;
  }
  if (name.empty()) {
    MRUN_TRY(context.terminal.out(render_overview(context.terminal)));
    return 0;
  }
  if (name == "environment") {
    MRUN_TRY(context.terminal.out(render_environment(context.terminal)));
    return 0;
  }
  const CommandSpec* command = find_command(name);
  if (command == nullptr) {
    std::vector<std::string> names;
    for (const CommandSpec* known : all_commands())
      names.emplace_back(known->name);
    const std::string near = nearest(name, names);
    return fail(ErrorCode::unknown_command, fmt::format("there is no command `{}`", printable(name, 60)),
                near.empty() ? "" : fmt::format("the nearest is `mrun help {}`", near));
  }
  MRUN_TRY(context.terminal.out(render_help(context.terminal, *command)));
  return 0;
}

} // namespace

extern const CommandSpec k_command_help;
constinit const CommandSpec k_command_help{
    .name = "help",
    .group = CommandGroup::help,
    .summary = "show help on a command",
    .description = "The same as `mrun COMMAND --help`.",
    .positionals = k_positionals,
    .examples = k_examples,
    .run = run,
};

} // namespace mrun::cli
