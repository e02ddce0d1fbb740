#include "cli/docs/markdown.h"

#include <fmt/format.h>

#include "cli/flags.h"
#include "cli/help.h"

namespace mrun::cli {
namespace {

// In a cell of a table.
std::string cell(std::string_view text) {
  std::string out;
  for (const char c : text)
    out += c == '|' ? "\\|" : std::string(1, c);
  return out;
}

std::string flag_row(const FlagSpec& flag) {
  std::string names = flag.short_name != 0 ? fmt::format("`-{}`, `--{}`", flag.short_name, flag.name)
                                           : fmt::format("`--{}`", flag.name);
  if (!flag.value_name.empty()) names += fmt::format(" `{}`", flag.value_name);
  return fmt::format("| {} | {} |\n", cell(names), cell(flag_help(flag)));
}

std::string command_section(const CommandSpec& command) {
  std::string text = fmt::format("\n## mrun {}\n{}.\n\n```sh\n", command.name, command.summary);
  for (const ExampleSpec& example : command.examples)
    text += fmt::format("mrun {}   # {}\n", example.command, example.says);
  text += fmt::format("```\n\n`{}`", usage_line(command));
  for (const std::string_view alias : command.aliases)
    text += fmt::format(", also `mrun {}`", alias);
  text += fmt::format("\n\n{}\n", command.description);
  if (!command.positionals.empty() || !command.flags.empty()) text += "\n| | |\n|---|---|\n";
  for (const PositionalSpec& positional : command.positionals)
    text += fmt::format("| `{}` | {} |\n", cell(positional.name), cell(positional.help));
  for (const FlagSpec& flag : command.flags)
    text += flag_row(flag);
  if (command.streams) text += fmt::format("| `--json=stream` | {} |\n", cell(k_stream_help));
  text += "\nExit codes:";
  for (const ExitCodeRow& row : exit_code_rows())
    if (may_exit_with(command, row.code)) text += fmt::format(" {}", row.code);
  return text + "\n";
}

} // namespace

std::string command_reference() {
  std::string text = "# The command line\n\n"
                     "**What this is:** every command with its examples, arguments, flags and exit codes, as "
                     "`mrun help COMMAND` and "
                     "the man pages have them; all are made of one table.\n"
                     "**When to open it:** to look a flag up without mrun at hand. To change it, change the "
                     "command's file in "
                     "`cli/commands/` and run `MRUN_ACCEPT=1 scripts/test -R cli_docs`.\n\n"
                     "What the exit codes mean: [exit-codes.md](exit-codes.md).\n\n## Flags of every "
                     "command\n\n| | |\n|---|---|\n";
  for (const FlagSpec& flag : k_common_flags)
    text += flag_row(flag);
  text += "\n## Environment\n\n| | |\n|---|---|\n";
  for (const EnvironmentRow& row : environment_rows())
    text += fmt::format("| {} | {} |\n", cell(row.name), cell(row.says));
  for (const CommandSpec* command : all_commands())
    text += command_section(*command);
  return text;
}

} // namespace mrun::cli
