// docs/cli.md from the flag table.
#pragma once

#include <string>

namespace mrun::cli {

std::string command_reference();

} // namespace mrun::cli
