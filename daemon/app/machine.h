// What the daemon takes of this machine by default.
#pragma once

#include <cstdint>
#include <string>

#include "common/paths.h"

namespace mrun {

// Four fifths of the memory that is available now; 0 when that can't be read.
std::uint64_t default_memory_budget_bytes();

// The folder of LibTorch (with lib/libtorch_cpu.so): MRUN_TORCH_DIR, `torch_dir` of the configuration,
// <prefix>/lib/mrun/torch, then the development cache. "" when there is none. The first that is named wins,
// even if it is wrong, so that the engine's error names it.
std::string find_torch(const InstallPaths& install, const std::string& configured);

} // namespace mrun
