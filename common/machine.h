// What this machine, as far as this process may use it, has to give.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string_view>

namespace mrun {

// Where the numbers come from; tests give folders of their own.
struct MachineFiles {
  std::filesystem::path meminfo = "/proc/meminfo";
  std::filesystem::path own_cgroup = "/proc/self/cgroup";
  std::filesystem::path cgroup_root = "/sys/fs/cgroup";
};

// The cores that this process may run on (its affinity: taskset, a cpuset), cut by the cgroup's CPU quota
// (cgroup v2 cpu.max of this group and its parents; v1 cpu.cfs_quota_us), rounded up; at least 1. The
// standard library's hardware_concurrency() counts all of the machine.
int usable_cores(const MachineFiles& files = {});

// MemAvailable, cut by what the cgroup's limits leave: the lower of memory.max and memory.high, less
// memory.current, of which the page cache of files (memory.stat) does not count. nullopt when nothing of it
// can be read.
std::optional<std::uint64_t> available_memory_bytes(const MachineFiles& files = {});

// Of a prediction's device as the daemon writes it: "cpu", "cuda:0".
inline bool is_gpu(std::string_view device) {
  return device.starts_with("cuda");
}

} // namespace mrun
