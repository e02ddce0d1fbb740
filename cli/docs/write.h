// Writes what is made of the flag table.
#pragma once

namespace mrun::cli {

// argv: the program, mrun.schema.json, a folder. The exit code; what fails is said on standard error.
int write_docs(int argc, char** argv);

} // namespace mrun::cli
