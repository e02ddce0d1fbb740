#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <thread>

#include <sched.h>

#include "common/machine.h"

using namespace mrun;
namespace fs = std::filesystem;

namespace {

// A made-up /proc and /sys/fs/cgroup.
struct MadeUp {
  fs::path folder;
  MachineFiles files;

  MadeUp() {
    char pattern[] = "/tmp/mrun-machine-XXXXXX";
    folder = ::mkdtemp(pattern);
    files.meminfo = folder / "meminfo";
    files.own_cgroup = folder / "cgroup";
    files.cgroup_root = folder / "root";
    write(files.own_cgroup, "0::/user/app\n");
    write(files.meminfo, "MemTotal:  2000000 kB\nMemAvailable:    1000000 kB\n");
  }
  MadeUp(const MadeUp&) = delete;
  MadeUp& operator=(const MadeUp&) = delete;
  ~MadeUp() { fs::remove_all(folder); }
  static void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
};

} // namespace

TEST_CASE("the cores are those that this thread may use, not all of the machine") {
  int seen = 0;
  std::thread narrow([&] {
    cpu_set_t all, one;
    CPU_ZERO(&all);
    CPU_ZERO(&one);
    REQUIRE(::sched_getaffinity(0, sizeof all, &all) == 0);
    int first = 0;
    while (!CPU_ISSET(first, &all))
      ++first;
    CPU_SET(first, &one);
    REQUIRE(::sched_setaffinity(0, sizeof one, &one) == 0);
    seen = usable_cores();
  });
  narrow.join();
  CHECK(seen == 1);
  CHECK(usable_cores() >= 1);
}

TEST_CASE("the cores are cut by the cgroup's quota") {
  MadeUp machine;
  cpu_set_t set;
  REQUIRE(::sched_getaffinity(0, sizeof set, &set) == 0);
  const int affinity = CPU_COUNT(&set);
  CHECK(usable_cores(machine.files) == affinity);
  MadeUp::write(machine.files.cgroup_root / "user/app/cpu.max", "max 100000\n");
  CHECK(usable_cores(machine.files) == affinity);
  MadeUp::write(machine.files.cgroup_root / "user/cpu.max", "50000 100000\n");
  CHECK(usable_cores(machine.files) == 1);
  MadeUp::write(machine.files.cgroup_root / "user/cpu.max", "6400000 100000\n");
  CHECK(usable_cores(machine.files) == std::min(affinity, 64));
  MadeUp::write(machine.files.cgroup_root / "user/cpu.max", "rubbish\n");
  CHECK(usable_cores(machine.files) == affinity);
}

TEST_CASE("the memory is what is available and allowed") {
  MadeUp machine;
  CHECK(available_memory_bytes(machine.files) == 1'024'000'000ULL);
  MadeUp::write(machine.files.cgroup_root / "user/app/memory.max", "600000000\n");
  MadeUp::write(machine.files.cgroup_root / "user/app/memory.current", "100000000\n");
  CHECK(available_memory_bytes(machine.files) == 500'000'000);
  MadeUp::write(machine.files.cgroup_root / "user/memory.max", "max\n");
  CHECK(available_memory_bytes(machine.files) == 500'000'000);
  MadeUp::write(machine.files.cgroup_root / "user/app/memory.current", "700000000\n");
  CHECK(available_memory_bytes(machine.files) == 0);

  // The page cache of files is given back when memory is wanted; a file in memory (shmem) is not.
  MadeUp::write(machine.files.cgroup_root / "user/app/memory.stat",
                "anon 50000000\nfile 650000000\nshmem 150000000\ninactive_file 400000000\n"
                "active_file 100000000\ninactive_file_other 1\n");
  CHECK(available_memory_bytes(machine.files) == 400'000'000);
  MadeUp::write(machine.files.cgroup_root / "user/app/memory.high", "300000000\n");
  CHECK(available_memory_bytes(machine.files) == 100'000'000);
  MadeUp::write(machine.files.cgroup_root / "memory/memory.limit_in_bytes", "900000000\n");
  MadeUp::write(machine.files.cgroup_root / "memory/memory.usage_in_bytes", "899000000\n");
  MadeUp::write(machine.files.cgroup_root / "memory/memory.stat",
                "inactive_file 1\ntotal_inactive_file 30000000\ntotal_active_file 20000000\n");
  CHECK(available_memory_bytes(machine.files) == 51'000'000);
  fs::remove(machine.files.meminfo);
  fs::remove_all(machine.files.cgroup_root);
  CHECK(available_memory_bytes(machine.files) == std::nullopt);
}
