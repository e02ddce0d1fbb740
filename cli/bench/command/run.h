// mrun-bench: the code of `mrun bench`, in a program of its own, so that its reports and statistics cost the
// other commands nothing.
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"

namespace mrun::bench {

Result<int> run_command(cli::Context& context, const cli::CommandSpec& command,
                        const cli::Arguments& arguments, char** argv);

} // namespace mrun::bench
