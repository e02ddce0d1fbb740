// Figures, not promises: run with `runner_test --no-skip -tc='latency*'` in a release build.
#include <algorithm>
#include <cstdio>

#include <doctest/doctest.h>

#include "daemon/tests/runner_bench.h"

using namespace mrun;

namespace {

void print_figure(const char* what, std::vector<std::int64_t> samples_ns) {
  std::ranges::sort(samples_ns);
  const auto at = [&](double share) {
    return static_cast<double>(
               samples_ns[static_cast<std::size_t>(static_cast<double>(samples_ns.size() - 1) * share)]) /
           1000;
  };
  std::printf("%-28s n=%zu  p50 %.1f us  p99 %.1f us  min %.1f us\n", what, samples_ns.size(), at(0.5),
              at(0.99), at(0));
}

} // namespace

TEST_CASE("latency: warm echo, submit to done" * doctest::skip()) {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  bench.run_to_end(bundle);
  std::vector<std::int64_t> total_ns, predict_ns;
  for (int i = 0; i < 5000; ++i) {
    const std::int64_t begin_ns = system_clock().monotonic_ns();
    const RunOutcome& end = bench.wait_end(bench.run(bundle));
    total_ns.push_back(system_clock().monotonic_ns() - begin_ns);
    predict_ns.push_back(end.phases[Phase::predict]);
  }
  print_figure("warm submit-done", total_ns);
  print_figure("  of it predict", predict_ns);
}

TEST_CASE("latency: cold echo, spawn to ready" * doctest::skip()) {
  RunnerBench bench;
  std::vector<std::int64_t> total_ns, spawn_ns, import_ns;
  for (int i = 0; i < 100; ++i) {
    const auto bundle = bench.bundle(bench.manifest());
    const std::int64_t begin_ns = system_clock().monotonic_ns();
    const RunOutcome& end = bench.run_to_end(bundle);
    total_ns.push_back(system_clock().monotonic_ns() - begin_ns);
    spawn_ns.push_back(end.phases[Phase::spawn]);
    import_ns.push_back(end.phases[Phase::import]);
    bool is_gone = false;
    bench.runner->stop_model(bundle->digest, false, [&](std::size_t) { is_gone = true; });
    bench.until([&] { return is_gone; });
  }
  print_figure("cold by posix_spawn", total_ns);
  print_figure("  of it spawn", spawn_ns);
  print_figure("  of it import", import_ns);
}
