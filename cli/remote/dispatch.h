// mrun-remote: the commands that move models, in a program of their own, so that libcurl and libarchive cost
// the others nothing.
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/flags.h"

namespace mrun::cli {

Result<int> run_remote(Context& context, const CommandSpec& command, const Arguments& arguments, char** argv);

} // namespace mrun::cli
