#include <algorithm>

#include "cli/flags.h"

namespace mrun::cli {

#define MRUN_COMMAND(name) extern const CommandSpec k_command_##name;
#include "cli/commands.inc"
#undef MRUN_COMMAND

namespace {

constexpr const CommandSpec* k_commands[] = {
#define MRUN_COMMAND(name) &k_command_##name,
#include "cli/commands.inc"
#undef MRUN_COMMAND
};

constexpr ExitCodeRow k_exit_codes[] = {
    {0, "ok"},
    {1, "the prediction or the model failed, or a file operation did"},
    {2, "usage or invalid input; nothing was run"},
    {3, "a gate failed (check, bench, diff)"},
    {4, "not permitted"},
    {5, "not found: model, version, prediction or file"},
    {6, "the daemon can't be reached or can't start"},
    {7, "canceled, or ended by a deadline in the daemon"},
    {8, "still pending"},
    {9, "the measurement is not valid"},
    {10, "the store or a bundle is damaged"},
    {75, "temporary: repeating is safe"},
    {124, "the limit given by --timeout passed"},
    {130, "interrupted (Ctrl-C)"},
    {143, "terminated (SIGTERM)"},
};

} // namespace

std::span<const CommandSpec* const> all_commands() {
  return k_commands;
}

const CommandSpec* find_command(std::string_view word) {
  for (const CommandSpec* command : k_commands)
    if (command->name == word || std::ranges::find(command->aliases, word) != command->aliases.end())
      return command;
  return nullptr;
}

std::span<const ExitCodeRow> exit_code_rows() {
  return k_exit_codes;
}

} // namespace mrun::cli
