// How long the torch engine takes to load an AOTInductor package that was unpacked before, for measurements:
// each load in a fork of a process that has LibTorch open and never had the package. A tool, no test
// (scripts/bench/aoti_load.py runs it): reads a number of loads a line, prints the seconds of each.
// Usage: torch_aoti_load MODULE PACKAGE PROGRAM CACHE   (MRUN_TORCH_DIR set; PROGRAM: any exported program,
// to open LibTorch with; CACHE: an empty folder)
#define DOCTEST_CONFIG_IMPLEMENT
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/torch/fake_host.h"

namespace {

using Clock = std::chrono::steady_clock;

// In a child, since code that is open stays so. Negative: it failed, and said why.
double load_seconds(mrun::test::LoadedModule& module, const std::string& package) {
  int ends[2];
  if (::pipe(ends) != 0) return -1;
  const pid_t child = ::fork();
  if (child == 0) {
    const Clock::time_point start = Clock::now();
    const mrun_status status = module.load_file(package);
    double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    if (status != MRUN_OK) {
      std::fprintf(stderr, "%s\n", module.host().message.c_str());
      seconds = -1;
    }
    const bool told = ::write(ends[1], &seconds, sizeof seconds) == sizeof seconds;
    ::_exit(told ? 0 : 1);
  }
  ::close(ends[1]);
  double seconds = -1;
  if (::read(ends[0], &seconds, sizeof seconds) != sizeof seconds) seconds = -1;
  ::close(ends[0]);
  int status = 0;
  ::waitpid(child, &status, 0);
  return seconds;
}

} // namespace

int main(int argc, char** argv) {
  using namespace mrun::test;
  if (argc != 5) {
    std::fprintf(stderr, "usage: torch_aoti_load MODULE PACKAGE PROGRAM CACHE\n");
    return 2;
  }
  doctest::Context context;
  context.setAsDefaultForAssertsOutOfTestCases();
  LoadedModule module(argv[1]);
  if (module.load_file(std::string(argv[3])) != MRUN_OK) {
    std::fprintf(stderr, "%s\n", module.host().message.c_str());
    return 1;
  }
  module.unload();
  module.host().cache_dir = ::open(argv[4], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  module.spec = R"({"native_code": true, "manifest": {"options": {"native_code": true}}})";
  char line[32];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    for (int left = std::atoi(line); left > 0; --left) {
      const double seconds = load_seconds(module, argv[2]);
      if (seconds < 0) return 1;
      std::printf("%.9f ", seconds);
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  return 0;
}
