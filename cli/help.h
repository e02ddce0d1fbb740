// Help, rendered from the flag table: examples first, because they are what is read.
#pragma once

#include <string>

#include "cli/flags.h"
#include "cli/terminal.h"
#include "common/json.h"

namespace mrun::cli {

// `mrun --help`: every command with its summary, by group.
std::string render_overview(const Terminal& terminal);
// `mrun help COMMAND`.
std::string render_help(const Terminal& terminal, const CommandSpec& command);
// The whole table, schema mrun.help/v1, for programs and for the test that holds all that is made of it
// together.
Json help_json();
// `mrun help environment`.
std::string render_environment(const Terminal& terminal);
// What help says of a flag: its words, choices, default.
std::string flag_help(const FlagSpec& flag);
// Of `--json=stream`, in commands that have it (CommandSpec::streams).
inline constexpr std::string_view k_stream_help = "print each event as a line of JSON, the moment it comes";
// Those of every command, and its own.
bool may_exit_with(const CommandSpec& command, int code);
// "mrun predict REF|DIR [flags]".
std::string usage_line(const CommandSpec& command);

} // namespace mrun::cli
