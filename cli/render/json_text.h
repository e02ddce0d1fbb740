// JSON for people and for programs.
#pragma once

#include <string>

#include "cli/terminal.h"
#include "common/json.h"

namespace mrun::cli {

// Indented by two; arrays of numbers, and what fits into 100 columns, on one line. No newline at the end. A
// terminal acts on nothing in it.
std::string pretty_json(const Json& value);

// The same on one line: what a program reads, wherever it ends up.
std::string plain_json(const Json& value);

// What `--json` prints: indented on a terminal, else compact; with a newline. Error: io, disk_full.
Result<void> print_json(Terminal& terminal, const Json& value);

} // namespace mrun::cli
