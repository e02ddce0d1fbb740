// The torch engine alone, for measurements: loads a case of the corpus, then runs it as often as a line of
// standard input says, and prints the seconds of each run. A tool, no test (scripts/bench/torch_engines.py
// runs it). Usage: torch_engine_loop MODULE CASE [THREADS]   (MRUN_TORCH_DIR set)
#define DOCTEST_CONFIG_IMPLEMENT
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>

#include <doctest/doctest.h>

#include "tests/torch/corpus_case.h"

int main(int argc, char** argv) {
  using Clock = std::chrono::steady_clock;
  using namespace mrun::test;
  if (argc < 3) {
    std::fprintf(stderr, "usage: torch_engine_loop MODULE CASE [THREADS]\n");
    return 2;
  }
  doctest::Context context;
  context.setAsDefaultForAssertsOutOfTestCases();
  LoadedModule module(argv[1]);
  const CorpusCase one(argv[2]);
  if (module.load_file(one.model(), argc > 3 ? std::atoi(argv[3]) : 1) != MRUN_OK) {
    std::fprintf(stderr, "%s\n%s\n", module.host().message.c_str(), module.host().details.c_str());
    return 1;
  }
  std::vector<GivenInput> inputs = one.inputs();
  char line[32];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    for (int left = std::atoi(line); left > 0; --left) {
      module.host().clear();
      const Clock::time_point start = Clock::now();
      if (module.start(inputs) != MRUN_OK) {
        std::fprintf(stderr, "%s\n", module.host().message.c_str());
        return 1;
      }
      std::printf("%.9f ", std::chrono::duration<double>(Clock::now() - start).count());
    }
    std::printf("\n");
    std::fflush(stdout);
  }
  return 0;
}
