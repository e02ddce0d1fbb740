#include "cli/bench/measure/machine.h"

#include <algorithm>
#include <system_error>

#include <fmt/format.h>
#include <sys/utsname.h>
#include <sys/vfs.h>

#include "common/fd.h"
#include "common/machine.h"
#include "common/text.h"
#include "packager/sha256.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_max_text_bytes = 1 << 20;

std::string text_of(const std::string& path) {
  return read_file(path, k_max_text_bytes, ErrorCode::io, ErrorCode::io).value_or("");
}

// The value of the first line `key : value`.
std::string field(std::string_view text, std::string_view key) {
  for (const std::string_view line : split(text, '\n')) {
    const std::size_t colon = line.find(':');
    if (colon != std::string_view::npos && trim(line.substr(0, colon)) == key)
      return printable(trim(line.substr(colon + 1)));
  }
  return {};
}

std::uint64_t memory_bytes() {
  const std::string total = field(text_of("/proc/meminfo"), "MemTotal"); // "24655232 kB"
  std::uint64_t kib = 0;
  for (const char c : total) {
    if (c < '0' || c > '9') break;
    kib = kib * 10 + static_cast<std::uint64_t>(c - '0');
  }
  return kib * 1024;
}

std::vector<std::string> nvidia_gpus() {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/driver/nvidia/gpus", error))
    names.push_back(field(text_of((entry.path() / "information").string()), "Model"));
  std::sort(names.begin(), names.end());
  return names;
}

std::string file_system_name(const std::filesystem::path& path) {
  struct statfs status {};
  if (::statfs(path.c_str(), &status) != 0) return {};
  constexpr std::pair<unsigned long, std::string_view> k_names[] = {
      {0xEF53, "ext4"},        {0x58465342, "xfs"}, {0x9123683E, "btrfs"}, {0x01021994, "tmpfs"},
      {0x794C7630, "overlay"}, {0x6969, "nfs"},     {0x2FC12FC1, "zfs"},   {0xF2F52010, "f2fs"},
      {0x65735546, "fuse"},    {0x01021997, "9p"},
  };
  for (const auto& [magic, name] : k_names)
    if (static_cast<unsigned long>(status.f_type) == magic) return std::string(name);
  return fmt::format("{:#x}", static_cast<unsigned long>(status.f_type));
}

std::string virtualization(std::string_view cpuinfo) {
  if (fmt::format(" {} ", field(cpuinfo, "flags")).find(" hypervisor ") == std::string::npos) {
    // The flags are cut for messages; the whole line decides.
    if (cpuinfo.find(" hypervisor") == std::string_view::npos) return {};
  }
  const std::string product = printable(trim(text_of("/sys/class/dmi/id/product_name")), 60);
  return product.empty() ? "vm" : product;
}

std::string container() {
  std::error_code error;
  if (std::filesystem::exists("/.dockerenv", error)) return "docker";
  if (std::filesystem::exists("/run/.containerenv", error)) return "podman";
  return {};
}

} // namespace

MachineFacts read_machine(const std::filesystem::path& store) {
  MachineFacts facts;
  const std::string cpuinfo = text_of("/proc/cpuinfo");
  facts.cpu = field(cpuinfo, "model name");
  if (facts.cpu.empty()) facts.cpu = field(cpuinfo, "CPU part");
  facts.cores = usable_cores();
  facts.governor = printable(trim(text_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")), 40);
  facts.memory_bytes = memory_bytes();
  facts.gpus = nvidia_gpus();
  utsname name{};
  if (::uname(&name) == 0) facts.kernel = fmt::format("{} {}", name.sysname, name.release);
  facts.file_system = file_system_name(store);
  facts.virtualization = virtualization(cpuinfo);
  facts.container = container();
  // Memory in whole GiB: a kernel update changes MemTotal a little.
  const std::string text = fmt::format("{}\n{}\n{}\n{}\n{}", facts.cpu, facts.cores, facts.memory_bytes >> 30,
                                       fmt::join(facts.gpus, ","), facts.virtualization);
  facts.fingerprint = Sha256::of(text).hex().substr(0, 16);
  return facts;
}

} // namespace mrun::bench
