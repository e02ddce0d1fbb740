// The program: takes the command line apart, runs one command, renders its error. `main` only calls this.
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"

namespace mrun::cli {

// What runs a command that has no code in this program: mrun goes over to its helper program, that has it.
using RunElsewhere = Result<int> (*)(Context& context, const CommandSpec& command, const Arguments& arguments,
                                     char** argv);

// Returns the exit code (docs/exit-codes.md). Nothing that a library throws gets past it.
int run_program(int argc, char** argv, RunElsewhere run_elsewhere);
// Becomes the command's helper program with the same words; returns only when that failed.
Result<int> become_helper(Context& context, const CommandSpec& command, const Arguments& arguments,
                          char** argv);

} // namespace mrun::cli
