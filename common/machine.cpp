#include "common/machine.h"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <sched.h>

#include "common/text.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

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

// The number behind `name` in a file of lines "name number …", as /proc/meminfo and memory.stat are.
std::optional<std::uint64_t> named_number(const fs::path& path, std::string_view name) {
  std::ifstream file(path);
  std::string line;
  while (std::getline(file, line))
    if (line.starts_with(name) && line.size() > name.size() && line[name.size()] == ' ')
      return number(trim(std::string_view(line).substr(name.size())));
  return std::nullopt;
}

// What the files that this group has read and written hold in the page cache: counted as used, and given back
// as soon as memory is wanted.
std::uint64_t file_cache_bytes(const fs::path& stat, std::string_view prefix) {
  return named_number(stat, fmt::format("{}inactive_file", prefix)).value_or(0) +
         named_number(stat, fmt::format("{}active_file", prefix)).value_or(0);
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
  std::optional<std::uint64_t> available;
  const auto cut = [&available](std::uint64_t bytes) {
    available = std::min(available.value_or(bytes), bytes);
  };
  if (const auto kib = named_number(files.meminfo, "MemAvailable:")) cut(*kib * 1024);
  const auto cut_by_group = [&cut](const fs::path& limit_file, const fs::path& used_file,
                                   std::uint64_t cache) {
    const auto limit = number(first_line(limit_file));
    const std::uint64_t used = number(first_line(used_file)).value_or(0);
    const std::uint64_t held = used - std::min(used, cache);
    if (limit) cut(*limit - std::min(*limit, held));
  };
  for (const fs::path& folder : cgroup_folders(files)) {
    const std::uint64_t cache = file_cache_bytes(folder / "memory.stat", "");
    for (const char* limit : {"memory.max", "memory.high"})
      cut_by_group(folder / limit, folder / "memory.current", cache);
  }
  const fs::path v1 = files.cgroup_root / "memory";
  cut_by_group(v1 / "memory.limit_in_bytes", v1 / "memory.usage_in_bytes",
               file_cache_bytes(v1 / "memory.stat", "total_"));
  return available;
}

} // namespace mrun
