#include "cli/doctor/gpu.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <grp.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* k_library = "libcuda.so.1";
constexpr std::string_view k_build_mark = "+cu"; // of a wheel's version: 2.9.0+cu130

// CUresult, of cuda.h.
constexpr int k_no_device = 100;
constexpr int k_version_mismatch = 803;
constexpr int k_no_compat = 804;

int open_error_of(const fs::path& path) {
  const UniqueFd node(::open(path.c_str(), O_RDWR | O_CLOEXEC | O_NONBLOCK));
  return node ? 0 : errno;
}

// The driver's API, of which no header is needed for these three.
CudaDriver ask_driver() {
  CudaDriver driver;
  // Never closed: it has threads of its own, and this process ends soon.
  void* library = ::dlopen(k_library, RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) {
    const char* why = ::dlerror();
    driver.load_error = why == nullptr ? "no reason is given" : printable(why, 200);
    return driver;
  }
  using Init = int (*)(unsigned);
  using Number = int (*)(int*);
  const auto init = reinterpret_cast<Init>(::dlsym(library, "cuInit"));
  const auto version = reinterpret_cast<Number>(::dlsym(library, "cuDriverGetVersion"));
  const auto count = reinterpret_cast<Number>(::dlsym(library, "cuDeviceGetCount"));
  if (init == nullptr || version == nullptr || count == nullptr) {
    driver.load_error = fmt::format("{} is not the driver's: it has no cuInit", k_library);
    return driver;
  }
  version(&driver.cuda_version);
  driver.init_result = init(0);
  if (driver.init_result == 0) driver.init_result = count(&driver.device_count);
  return driver;
}

std::string group_of(const fs::path& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) < 0) return "";
  std::array<char, 4096> buffer{};
  group entry{};
  group* found = nullptr;
  if (::getgrgid_r(status.st_gid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr)
    return fmt::format("{}", status.st_gid);
  return found->gr_name;
}

// nvidia0, nvidia1, …
bool is_gpu(const std::string& name) {
  constexpr std::string_view k_start = "nvidia";
  const std::string_view rest = std::string_view(name).substr(std::min(name.size(), k_start.size()));
  return name.starts_with(k_start) && !rest.empty() &&
         std::ranges::all_of(rest, [](char c) { return c >= '0' && c <= '9'; });
}

// 13 of 2.9.0+cu130: the major version of CUDA that a LibTorch was built for, whose drivers serve every minor
// one; 0 when it does not say.
int cuda_major_of(std::string_view torch_version) {
  const auto mark = torch_version.find(k_build_mark);
  if (mark == std::string_view::npos) return 0;
  int number = 0;
  const std::string_view digits = torch_version.substr(mark + k_build_mark.size());
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number / 10;
}

void fail_check(Check& check, const std::string& why, std::string help) {
  check.state = CheckState::failed;
  check.says += ", but " + why;
  check.help = std::move(help);
}

void judge_node(const GpuNode& node, Check& check) {
  const std::string path = printable(node.path, 200);
  std::string help = "a container needs the devices: docker run --gpus all";
  if (node.open_error == ENOENT)
    help = "sudo nvidia-modprobe -c 0 -u makes it; " + help;
  else if (node.open_error == EACCES)
    help = fmt::format("sudo usermod -aG {} $USER, then log in again", printable(node.group, 40));
  fail_check(check, fmt::format("{}: {}", path, std::strerror(node.open_error)), std::move(help));
}

void judge_driver(const CudaDriver& driver, const std::string& torch_version, Check& check) {
  const int wanted = cuda_major_of(torch_version);
  if (!driver.load_error.empty())
    return fail_check(check,
                      fmt::format("the driver's library can't be loaded: {}", printable(driver.load_error)),
                      "install it beside the driver (Debian: libcuda1); in a container: the NVIDIA Container "
                      "Toolkit, and docker run --gpus all");
  if (wanted > driver.cuda_version / 1000)
    return fail_check(
        check,
        fmt::format("its driver is too old: it knows CUDA {}.{}, LibTorch {} needs {}.0",
                    driver.cuda_version / 1000, driver.cuda_version % 1000 / 10, torch_version, wanted),
        fmt::format("install a newer driver, or a PyTorch for CUDA {}", driver.cuda_version / 1000));
  if (driver.init_result == k_version_mismatch)
    return fail_check(check, "the driver's library is of another version than its kernel module (CUDA 803)",
                      "restart the machine, or load the module anew: sudo rmmod nvidia_uvm nvidia && sudo "
                      "modprobe nvidia");
  if (driver.init_result == k_no_compat)
    return fail_check(check, "the compatibility library does not serve this GPU (CUDA 804)",
                      "remove the package cuda-compat, or install a newer driver");
  const char* visible = std::getenv("CUDA_VISIBLE_DEVICES");
  const bool is_hidden = visible != nullptr && (driver.init_result == k_no_device ||
                                                (driver.init_result == 0 && driver.device_count == 0));
  if (is_hidden)
    return fail_check(check, fmt::format("CUDA_VISIBLE_DEVICES={} hides it", printable(visible, 60)),
                      "unset CUDA_VISIBLE_DEVICES; mrun daemon stop");
  if (driver.init_result != 0)
    return fail_check(check, fmt::format("the driver says error {} of CUDA", driver.init_result),
                      "sudo dmesg | grep -i nvrm says more");
  if (driver.device_count == 0) return fail_check(check, "CUDA sees none", "nvidia-smi says more");
  check.says += fmt::format("; {} for CUDA {}.{}", driver.device_count == 1 ? "it answers" : "they answer",
                            driver.cuda_version / 1000, driver.cuda_version % 1000 / 10);
}

} // namespace

GpuFacts gather_gpu_facts(const GpuPlaces& places) {
  GpuFacts facts;
  std::vector<std::string> names;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(places.devices, ignored))
    if (is_gpu(entry.path().filename().string())) names.push_back(entry.path().filename().string());
  std::ranges::sort(names);
  names.insert(names.begin(), {"nvidiactl", "nvidia-uvm"});
  bool can_open_all = true;
  for (const std::string& name : names) {
    const fs::path path = places.devices / name;
    const int error = places.open_error ? places.open_error(path) : open_error_of(path);
    can_open_all = can_open_all && error == 0;
    facts.nodes.push_back({path.string(), error, error == EACCES ? group_of(path) : ""});
  }
  if (can_open_all) facts.driver = places.driver ? places.driver() : ask_driver();
  return facts;
}

void judge_gpu(const GpuFacts& facts, const std::string& torch_version, Check& check) {
  const auto closed =
      std::ranges::find_if(facts.nodes, [](const GpuNode& node) { return node.open_error != 0; });
  if (closed != facts.nodes.end()) return judge_node(*closed, check);
  judge_driver(facts.driver, torch_version, check);
}

} // namespace mrun::cli
