#include "common/machine.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <limits>
#include <string>
#include <vector>

#include <sched.h>

#include "common/text.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

constexpr std::uint64_t k_no_limit = std::numeric_limits<std::uint64_t>::max();

std::string first_line(const fs::path& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

// This process's cgroup v2 folder and its parents up to the root, innermost first. Inside a container the
// root is what the container sees, so the path may not exist there; then the root alone counts.
std::vector<fs::path> cgroup_folders(const MachineFiles& files) {
  std::ifstream file(files.own_cgroup);
  std::string line, own;
  while (std::getline(file, line))
    if (line.starts_with("0::/")) own = line.substr(4);
  std::vector<fs::path> folders;
  for (fs::path part = own; !part.empty(); part = part.parent_path())
    folders.push_back(files.cgroup_root / part);
  folders.push_back(files.cgroup_root);
  return folders;
}

// "max 100000" or "150000 100000" → whole cores, rounded up.
std::optional<int> quota_cores(std::string_view quota_text, std::string_view period_text) {
  const auto quota = number(quota_text);
  const auto period = number(period_text);
  if (!quota || !period || *period == 0) return std::nullopt;
  return static_cast<int>(std::clamp<std::uint64_t>((*quota + *period - 1) / *period, 1, 1U << 20U));
}

std::uint64_t available_bytes(const fs::path& meminfo) {
  std::ifstream file(meminfo);
  std::string line;
  constexpr std::string_view k_name = "MemAvailable:";
  while (std::getline(file, line))
    if (line.starts_with(k_name))
      return number(trim(std::string_view(line).substr(k_name.size()))).value_or(0) * 1024;
  return k_no_limit;
}

int affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return ::sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

} // namespace

int usable_cores(const MachineFiles& files) {
  int cores = affinity();
  for (const fs::path& folder : cgroup_folders(files)) {
    const std::string text = first_line(folder / "cpu.max");
    const std::size_t blank = text.find(' ');
    if (blank != std::string::npos)
      if (const auto quota =
              quota_cores(std::string_view(text).substr(0, blank), std::string_view(text).substr(blank + 1)))
        cores = std::min(cores, *quota);
  }
  const fs::path v1 = files.cgroup_root / "cpu";
  if (const auto quota =
          quota_cores(first_line(v1 / "cpu.cfs_quota_us"), first_line(v1 / "cpu.cfs_period_us")))
    cores = std::min(cores, *quota);
  return cores;
}

std::optional<std::uint64_t> available_memory_bytes(const MachineFiles& files) {
  std::uint64_t available = available_bytes(files.meminfo);
  const auto cut = [&available](const fs::path& limit_file, const fs::path& used_file) {
    const auto limit = number(first_line(limit_file));
    const std::uint64_t used = number(first_line(used_file)).value_or(0);
    if (limit) available = std::min(available, *limit > used ? *limit - used : 0);
  };
  for (const fs::path& folder : cgroup_folders(files))
    cut(folder / "memory.max", folder / "memory.current");
  const fs::path v1 = files.cgroup_root / "memory";
  cut(v1 / "memory.limit_in_bytes", v1 / "memory.usage_in_bytes");
  return available == k_no_limit ? std::nullopt : std::optional(available);
}

} // namespace mrun
