// The program: takes the command line apart, runs one command, renders its error. `main` only calls this.
#pragma once

namespace mrun::cli {

// Returns the exit code (docs/exit-codes.md). Nothing that a library throws gets past it.
int run_program(int argc, char** argv);

} // namespace mrun::cli
