// The installation and the machine: build, LibTorch, GPU, limits, sandbox, clock.
#include <cerrno>
#include <chrono>
#include <filesystem>

#include <fmt/ranges.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <unistd.h>

#include "cli/doctor/checks.h"
#include "cli/doctor/gpu.h"
#include "cli/installed_engines.h"
#include "common/build_info.h"
#include "common/clock.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

namespace fs = std::filesystem;

constexpr rlim_t k_wanted_files = 1024;
constexpr std::int64_t k_wanted_memory_bytes = 512 * static_cast<std::int64_t>(k_mib);
constexpr std::int64_t k_day_ns = 24LL * 3600 * 1'000'000'000;

Json member(const Json& object, const char* outer, const char* key) {
  const auto found = object.is_object() ? object.find(outer) : object.end();
  if (!object.is_object() || found == object.end() || !found->is_object()) return nullptr;
  return found->value(key, Json(nullptr));
}

std::string text(const Json& value, std::string_view none = "") {
  return value.is_string() ? printable(value.get<std::string>(), 400) : std::string(none);
}

bool is_true(const Json& value) {
  return value == Json(true);
}

// The version of the kernel's Landlock interface; 0 where there is none.
int landlock_version() {
  constexpr unsigned k_ask_version = 1; // LANDLOCK_CREATE_RULESET_VERSION
  const long version = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, k_ask_version);
  return version > 0 ? static_cast<int>(version) : 0;
}

} // namespace

Check check_build(const DoctorFacts& facts) {
  Check check{.id = "build"};
  check.says = fmt::format("mrun {} ({}) in {}, engines {}", version_text(), build_id(),
                           printable(facts.install.prefix.string()),
                           fmt::join(installed_engines(facts.install), ", "));
  std::error_code ignored;
  for (const fs::path& program :
       {facts.install.daemon(), facts.install.worker(), facts.install.helper("mrun-remote")})
    if (!fs::exists(program, ignored)) {
      check.state = CheckState::failed;
      check.says = fmt::format("{} is missing", printable(program.string()));
      check.help = "install mrun again (scripts/quickstart)";
    }
  return check;
}

Check check_torch(const DoctorFacts& facts) {
  Check check{.id = "torch"};
  const std::string folder = text(member(facts.description, "torch", "dir"));
  std::error_code ignored;
  if (!fs::exists(facts.install.engine("torch"), ignored)) {
    check.says = "this build has no torch engine, so it needs no LibTorch";
  } else if (folder.empty()) {
    check.state = CheckState::warning;
    check.says = "no LibTorch was found: models of the engine `torch` can't run";
    check.help = "set MRUN_TORCH_DIR, or `mrun config set torch_dir /…/site-packages/torch`";
  } else if (!is_true(member(facts.description, "torch", "usable"))) {
    check.state = CheckState::failed;
    check.says = fmt::format("{} ({}) has no lib/libtorch_cpu.so", folder,
                             text(member(facts.description, "torch", "origin")));
    check.help = "point it to the torch folder of a PyTorch wheel";
  } else {
    check.says = fmt::format("LibTorch {} in {} ({}), {}",
                             text(member(facts.description, "torch", "version"), "of unknown version"),
                             folder, text(member(facts.description, "torch", "origin")),
                             is_true(member(facts.description, "torch", "cuda")) ? "with CUDA" : "for CPUs");
  }
  return check;
}

Check check_gpu(const DoctorFacts& facts) {
  Check check{.id = "gpu"};
  const Json gpus = member(facts.description, "machine", "gpus");
  const std::string driver = text(member(facts.description, "machine", "driver"));
  const auto count = gpus.is_number_integer() ? gpus.get<std::int64_t>() : 0;
  if (count == 0) {
    check.says = driver.empty()
                     ? "no NVIDIA GPU, or no driver for it (no /dev/nvidia0): models run on the CPU"
                     : fmt::format("a driver but no device (no /dev/nvidia0): {}", driver);
    if (!driver.empty()) check.state = CheckState::warning;
    return check;
  }
  check.says = fmt::format("{} NVIDIA GPU{}; {}", count, count == 1 ? "" : "s",
                           driver.empty() ? "the driver says no version" : driver);
  if (!is_true(member(facts.description, "torch", "cuda"))) {
    check.state = CheckState::warning;
    check.says += "; the LibTorch here is one for CPUs, so they are not used";
    check.help = "install a PyTorch with CUDA, and point MRUN_TORCH_DIR to it";
    return check;
  }
  // Nodes are what the daemon goes by when it chooses a device: one that can't be used fails predictions.
  judge_gpu(gather_gpu_facts({}), text(member(facts.description, "torch", "version")), check);
  return check;
}

Check check_limits(const DoctorFacts& facts) {
  Check check{.id = "limits"};
  rlimit files{};
  ::getrlimit(RLIMIT_NOFILE, &files);
  const Json cores = member(facts.description, "machine", "cores"),
             memory = member(facts.description, "machine", "memory_budget_bytes");
  const std::int64_t memory_bytes = memory.is_number_integer() ? memory.get<std::int64_t>() : 0;
  check.says =
      fmt::format("{} cores, {} for workers, {} open files", cores.is_number_integer() ? cores.get<int>() : 0,
                  format_bytes(static_cast<std::uint64_t>(memory_bytes)), files.rlim_cur);
  if (files.rlim_cur < k_wanted_files) {
    check.state = CheckState::warning;
    check.help = fmt::format("ulimit -n {}", std::min<rlim_t>(files.rlim_max, 65536));
  } else if (memory_bytes < k_wanted_memory_bytes) {
    check.state = CheckState::warning;
    check.help = "little memory is free: end other programs, or raise the container's limit";
  }
  return check;
}

// What every worker has, and what this kernel has besides.
Check check_sandbox(const DoctorFacts&) {
  Check check{.id = "sandbox"};
  const int landlock = landlock_version();
  const bool can_harden = ::prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) >= 0;
  check.says = fmt::format(
      "workers run with no-new-privs, limits, closed descriptors and a session of their own; {}",
      landlock > 0 ? fmt::format("the kernel has Landlock {}, which they do not use yet", landlock)
                   : std::string("the kernel has no Landlock"));
  if (!can_harden) {
    check.state = CheckState::failed;
    check.says = "the kernel has no no_new_privs, without which no worker starts";
    check.help = "Linux 3.5 or newer is needed";
  }
  return check;
}

// Costs, leases and tokens go by it.
Check check_clock(const DoctorFacts& facts) {
  Check check{.id = "clock"};
  std::error_code failed;
  const auto built = fs::last_write_time(facts.install.daemon(), failed);
  const auto built_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(
                            std::chrono::file_clock::to_sys(built).time_since_epoch())
                            .count();
  const std::int64_t now_ns = system_clock().wall_ns();
  timex state{};
  const bool synchronised = ::adjtimex(&state) >= 0 && (state.status & STA_UNSYNC) == 0;
  check.says = fmt::format("{}{}", rfc3339_utc(now_ns),
                           synchronised ? ", synchronised" : "; the kernel knows of no time server");
  if (!failed && built_ns - now_ns > k_day_ns) {
    check.state = CheckState::failed;
    check.says = fmt::format("it is {} by the clock, but mrun was installed at {}", rfc3339_utc(now_ns),
                             rfc3339_utc(built_ns));
    check.help = "set the clock: costs, leases and tokens go by it";
  }
  return check;
}

} // namespace mrun::cli
