// The engines that this installation has.
#pragma once

#include <string>
#include <vector>

#include "common/paths.h"

namespace mrun::cli {

// "echo", "process", "torch": sorted; none where the folder can't be read.
std::vector<std::string> installed_engines(const InstallPaths& install);

} // namespace mrun::cli
