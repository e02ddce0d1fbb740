// Whose the machine's time is: shares that add up, and the life of a worker as the listener hears it.
#include <csignal>
#include <random>

#include <doctest/doctest.h>

#include "daemon/runner/machine_time.h"
#include "daemon/tests/runner_bench.h"

using namespace mrun;

namespace {

constexpr std::int64_t k_ms = 1'000'000;

// A bench that also hears of workers.
struct WorkerBench : RunnerBench {
  using RunnerBench::RunnerBench;
  void on_load_began(const LoadBegan& began) override { begun.push_back(began); }
  void on_load_ended(const LoadEnded& ended) override { loads.push_back(ended); }
  void on_idle_began(WorkerKey worker, std::int64_t) override { idle_from.push_back(worker); }
  void on_worker_gone(WorkerKey worker, const std::optional<IdleStretch>& idle) override {
    gone.emplace_back(worker, idle);
  }
  void stop(const std::shared_ptr<const Bundle>& bundle) {
    bool stopped = false;
    runner->stop_model(bundle->digest, false, [&](std::size_t) { stopped = true; });
    until([&] { return stopped && !gone.empty(); });
  }

  std::vector<LoadBegan> begun;
  std::vector<LoadEnded> loads;
  std::vector<WorkerKey> idle_from;
  std::vector<std::pair<WorkerKey, std::optional<IdleStretch>>> gone;
};

} // namespace

TEST_CASE("members share a clock in equal parts, and alone they have all of it") {
  SharedClock clock;
  const SharedTime first = clock.join(1000);
  CHECK(clock.share(first, 1010) == 10);
  const SharedTime second = clock.join(1010); // 10 alone, then 20 together
  CHECK(clock.leave(first, 1030) == 20);
  CHECK(clock.leave(second, 1040) == 20); // 10 of 20 together, 10 alone
  CHECK(clock.is_empty());
  const SharedTime third = clock.join(5000); // nobody was there meanwhile
  CHECK(clock.leave(third, 5003) == 3);
}

TEST_CASE("the shares of a random crowd add up to the time in which anybody was there") {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    MachineTime machine;
    std::vector<SharedTime> working, idle;
    std::int64_t now = 1, busy_ns = 0, idle_ns = 0, work_sum = 0, idle_sum = 0;
    const auto advance = [&] {
      const std::int64_t step = std::uniform_int_distribution<std::int64_t>(0, 1000)(random);
      if (!working.empty())
        busy_ns += step;
      else if (!idle.empty())
        idle_ns += step;
      now += step;
    };
    int members = 0;
    for (int i = 0; i < 200; ++i, advance()) {
      const int what = std::uniform_int_distribution<int>(0, 3)(random);
      if (what == 0) working.push_back(machine.begin_work(now));
      if (what == 1) idle.push_back(machine.begin_idle(now));
      members += what < 2 ? 1 : 0;
      auto& crowd = what == 2 ? working : idle;
      if (what < 2 || crowd.empty()) continue;
      (what == 2 ? work_sum : idle_sum) +=
          what == 2 ? machine.end_work(crowd.back(), now) : machine.end_idle(crowd.back(), now);
      crowd.pop_back();
    }
    while (!working.empty()) {
      work_sum += machine.end_work(working.back(), now);
      working.pop_back();
      advance();
    }
    while (!idle.empty()) {
      idle_sum += machine.end_idle(idle.back(), now);
      idle.pop_back();
      advance();
    }
    // Rounded down once a member: never more than there was.
    CHECK(work_sum <= busy_ns);
    CHECK(work_sum > busy_ns - members);
    CHECK(idle_sum <= idle_ns);
    CHECK(idle_sum > idle_ns - members);
  }
}

TEST_CASE("a share scales what the worker measured, and is all of it when nothing else ran") {
  CHECK(scaled_share(10, 100, 100) == 10);
  CHECK(scaled_share(10, 50, 100) == 5);
  CHECK(scaled_share(10, 0, 0) == 10);
  CHECK(scaled_share(1'800'000'000'000, 900'000'000'000, 1'800'000'000'000) == 900'000'000'000);
}

TEST_CASE("a worker's life: it loads for somebody, waits, is used, waits and is unloaded") {
  WorkerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  const RunKey first = bench.run(bundle);
  const RunOutcome cold = bench.wait_end(first);
  REQUIRE(bench.begun.size() == 1);
  CHECK(bench.begun[0].cause == first);
  CHECK(bench.begun[0].model == "test/echo");
  CHECK(bench.begun[0].version == bundle->digest);
  REQUIRE(bench.loads.size() == 1);
  const LoadEnded& load = bench.loads[0];
  CHECK(load.status == PredictionStatus::succeeded);
  CHECK(load.phases.sum_ns() == load.duration_ns);
  CHECK(load.phases[Phase::spawn] > 0);
  CHECK(load.machine_ns == load.duration_ns); // nothing else ran
  CHECK(cold.worker == load.worker);
  CHECK(cold.idle_before.empty()); // it was used at once
  CHECK(cold.machine_ns == cold.phases[Phase::predict]);
  CHECK(cold.worker_ns == cold.phases[Phase::predict]);
  REQUIRE(cold.idle_from_wall_ns);

  const RunOutcome warm = bench.run_to_end(bundle);
  REQUIRE(warm.idle_before.size() == 1);
  CHECK(warm.idle_before[0].first == load.worker);
  CHECK(warm.idle_before[0].second.began_wall_ns == *cold.idle_from_wall_ns);
  CHECK(warm.idle_before[0].second.duration_ns > 0);
  CHECK(warm.idle_before[0].second.machine_ns == warm.idle_before[0].second.duration_ns);
  CHECK(bench.runner->workers()[0].worker == load.worker);

  bench.stop(bundle);
  REQUIRE(bench.gone.size() == 1);
  CHECK(bench.gone[0].first == load.worker);
  REQUIRE(bench.gone[0].second);
  CHECK(bench.gone[0].second->began_wall_ns == *warm.idle_from_wall_ns);
  CHECK(bench.idle_from.empty()); // each stretch was a prediction's to tell
}

TEST_CASE("a worker that is killed in a prediction: its idleness before is told once") {
  WorkerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  bench.run_to_end(bundle);
  const RunKey key = bench.run(bundle, "killed");
  const RunOutcome outcome = bench.wait_end(key);
  CHECK(outcome.status == PredictionStatus::failed);
  REQUIRE(bench.gone.size() == 1);
  const std::optional<IdleStretch>& stretch = bench.gone[0].second;
  CHECK(outcome.idle_before.size() + (stretch ? 1 : 0) == 1);
  if (stretch) CHECK(stretch->ended_by == key);
}

TEST_CASE("two predictions in one worker share its second and the machine's") {
  WorkerBench bench;
  Manifest manifest = bench.manifest();
  manifest.concurrency = 2;
  const auto bundle = bench.bundle(manifest);
  bench.run_to_end(bundle);
  const RunKey one = bench.run(bundle, "slow:200");
  const RunKey two = bench.run(bundle, "slow:200");
  const RunOutcome first = bench.wait_end(one);
  const RunOutcome second = bench.wait_end(two);
  for (const RunOutcome* outcome : {&first, &second}) {
    CHECK(outcome->phases[Phase::predict] >= 200 * k_ms);
    CHECK(outcome->machine_ns < outcome->phases[Phase::predict]);
    CHECK(outcome->machine_ns == outcome->worker_ns); // no other worker is there
  }
  // Together no more than the time in which one of them ran.
  const std::int64_t longest = std::max(first.phases[Phase::predict], second.phases[Phase::predict]);
  CHECK(first.machine_ns + second.machine_ns < 2 * longest);
  CHECK(first.idle_before.size() + second.idle_before.size() == 1); // the first dispatch ended it
  CHECK(first.idle_from_wall_ns.has_value() != second.idle_from_wall_ns.has_value()); // the last one left it
}

TEST_CASE("predictions in two workers share the machine, but each has its own instance's time") {
  WorkerBench bench;
  const auto left = bench.bundle(bench.manifest());
  const auto right = bench.bundle(bench.manifest());
  bench.run_to_end(left);
  bench.run_to_end(right);
  const RunKey one = bench.run(left, "slow:200");
  const RunKey two = bench.run(right, "slow:200");
  const RunOutcome first = bench.wait_end(one);
  const RunOutcome second = bench.wait_end(two);
  for (const RunOutcome* outcome : {&first, &second}) {
    CHECK(outcome->machine_ns < outcome->phases[Phase::predict]);
    CHECK(outcome->worker_ns == outcome->phases[Phase::predict]);
  }
  // While the right one loaded, the left one waited, and the machine's time was not its own.
  REQUIRE(first.idle_before.size() == 1);
  CHECK(first.idle_before[0].second.machine_ns < first.idle_before[0].second.duration_ns);
}

TEST_CASE("a load that fails and one that nobody wants any more have an end too") {
  WorkerBench bench;
  const auto broken = bench.bundle(bench.manifest("fail_load:no weights"));
  bench.run_to_end(broken);
  bench.until([&] { return bench.gone.size() == 1; });
  REQUIRE(bench.loads.size() == 1);
  CHECK(bench.loads[0].status == PredictionStatus::failed);
  CHECK_FALSE(bench.gone[0].second);

  const auto slow = bench.bundle(bench.manifest("hang_in_load"));
  const RunKey key = bench.run(slow);
  bench.until([&] { return bench.worker_pid() > 0; });
  bench.runner->cancel(key);
  bench.until([&] { return bench.gone.size() == 2; });
  REQUIRE(bench.loads.size() == 2);
  CHECK(bench.loads[1].status == PredictionStatus::canceled);
  CHECK(bench.begun.size() == 2);
}

TEST_CASE("a worker that is killed while it waits has its stretch; one that dies at work has none") {
  WorkerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  bench.run_to_end(bundle);
  ::kill(bench.worker_pid(), SIGKILL);
  bench.until([&] { return bench.gone.size() == 1; });
  CHECK(bench.gone[0].second.has_value());

  const RunOutcome crashed = bench.run_to_end(bundle, "crash");
  CHECK(crashed.status == PredictionStatus::failed);
  CHECK_FALSE(crashed.idle_from_wall_ns);
  CHECK(crashed.worker != 0);
  bench.until([&] { return bench.gone.size() == 2; });
  CHECK_FALSE(bench.gone[1].second.has_value());
}
