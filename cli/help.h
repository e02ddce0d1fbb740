// Help, rendered from the flag table: examples first, because they are what is read.
#pragma once

#include <string>

#include "cli/flags.h"
#include "cli/terminal.h"

namespace mrun::cli {

// `mrun --help`: every command with its summary, by group.
std::string render_overview(const Terminal& terminal);
// `mrun help COMMAND`.
std::string render_help(const Terminal& terminal, const CommandSpec& command);
// "mrun predict REF|DIR [flags]".
std::string usage_line(const CommandSpec& command);

} // namespace mrun::cli
