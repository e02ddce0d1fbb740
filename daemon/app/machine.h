// What this machine, as far as this process may use it, has to give.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "common/paths.h"

namespace mrun {

// Where the numbers come from; tests give folders of their own.
struct MachineFiles {
  std::filesystem::path meminfo = "/proc/meminfo";
  std::filesystem::path own_cgroup = "/proc/self/cgroup";
  std::filesystem::path cgroup_root = "/sys/fs/cgroup";
};

// Cores for predictions: the CPU affinity of this process, cut by the cgroup's CPU quota (cgroup v2 cpu.max
// of this group and its parents; v1 cpu.cfs_quota_us), rounded up; at least 1.
int core_tokens(const MachineFiles& files = {});
// Four fifths of the memory that is available now: MemAvailable, cut by what the cgroup's limit leaves
// (memory.max - memory.current). 0 when neither can be read.
std::uint64_t default_memory_budget_bytes(const MachineFiles& files = {});

// The folder of LibTorch (with lib/libtorch_cpu.so): MRUN_TORCH_DIR, `torch_dir` of the configuration,
// <prefix>/lib/mrun/torch, then the development cache. "" when there is none. The first that is named wins,
// even if it is wrong, so that the engine's error names it.
std::string find_torch(const InstallPaths& install, const std::string& configured);

} // namespace mrun
