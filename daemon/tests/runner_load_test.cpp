// Loads: failure, backoff and cool-down, eviction under a budget, stop, drain, engines that are not there.
#include <csignal>

#include <doctest/doctest.h>

#include "daemon/tests/runner_bench.h"

using namespace mrun;
using namespace std::chrono_literals;

TEST_CASE("a load that fails says why, and the next one waits") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest("unsupported_load:no such operator"));
  const RunOutcome& end = bench.run_to_end(bundle);
  CHECK(end.status == PredictionStatus::failed);
  CHECK(end.error->code == ErrorCode::engine_unsupported);
  CHECK(end.error->message.find("no such operator") != std::string::npos);
  CHECK(end.worker_pid > 0);
  const auto workers = bench.runner->workers();
  REQUIRE_FALSE(workers.empty());
  CHECK(workers.front().last_error == end.error->message);
  const RunKey second = bench.run(bundle);
  CHECK(bench.wait_end(second).phases[Phase::queue] > 500'000'000); // a backoff of 1 s
}

TEST_CASE("a worker that dies while loading is a failed load") {
  RunnerBench bench;
  const RunOutcome& crash = bench.run_to_end(bench.bundle(bench.manifest("crash_in_load")));
  CHECK(crash.error->code == ErrorCode::worker_crashed);
  CHECK(crash.error->message.find("while it loaded") != std::string::npos);
  const RunOutcome& exit = bench.run_to_end(bench.bundle(bench.manifest("exit_in_load:3")));
  CHECK(exit.error->message.find("exit code 3") != std::string::npos);
}

TEST_CASE("a tiny budget: the idle worker goes, one at a time") {
  RunnerBench bench([](RunnerConfig& config) { config.memory_budget_bytes = 100 * k_mib; });
  const auto first = bench.bundle(bench.manifest()), second = bench.bundle(bench.manifest());
  const int pid = bench.run_to_end(first).worker_pid;
  std::vector<RunKey> keys;
  for (int i = 0; i < 6; ++i)
    keys.push_back(bench.run(i % 2 == 0 ? second : first));
  for (const RunKey key : keys) {
    CHECK(bench.wait_end(key).status == PredictionStatus::succeeded);
    CHECK(bench.runner->workers().size() <= 2); // one of them on its way out
  }
  bench.until([&] { return bench.runner->workers().size() == 1; });
  CHECK_FALSE(is_alive(pid));
  Manifest large = bench.manifest();
  large.memory_mib = 200;
  const auto refused = bench.runner->submit(bench.request(bench.bundle(large)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::memory_insufficient);
  CHECK(refused.error().message.find("200.0 MiB") != std::string::npos);
}

TEST_CASE("stop unloads; with force it cancels") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  const int pid = bench.run_to_end(bundle).worker_pid;
  std::size_t ended = 99;
  bench.runner->stop_model(bundle->digest, false, [&](std::size_t count) { ended = count; });
  CHECK(ended == 99); // never from inside
  bench.until([&] { return ended != 99; });
  CHECK(ended == 1);
  CHECK_FALSE(is_alive(pid));
  const RunKey running = bench.run(bundle, "slow:60000"), queued = bench.run(bundle);
  bench.until([&] { return bench.heard[running].started == 1; });
  bench.runner->stop_model(bundle->digest, true, [&](std::size_t count) { ended += count; });
  CHECK(bench.wait_end(running).status == PredictionStatus::canceled);
  CHECK(bench.wait_end(queued).status == PredictionStatus::canceled);
  bench.until([&] { return ended == 2; });
  bench.runner->stop_model(bundle->digest, true, [&](std::size_t count) { ended = 10 + count; });
  bench.until([&] { return ended == 10; });
}

TEST_CASE("drain ends what runs, then the workers") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  const RunKey quick = bench.run(bundle, "slow:20"), slow = bench.run(bundle, "slow:60000"),
               last = bench.run(bundle);
  bool drained = false;
  bench.runner->drain(3s, [&] { drained = true; });
  const auto refused = bench.runner->submit(bench.request(bundle));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::draining);
  bench.until([&] { return drained; });
  CHECK(bench.heard[quick].end().status == PredictionStatus::succeeded);
  CHECK(bench.heard[slow].end().error->code == ErrorCode::interrupted);
  CHECK(bench.heard[last].end().status == PredictionStatus::aborted);
  CHECK(bench.runner->workers().empty());
}

TEST_CASE("idle workers are unloaded when asked for") {
  RunnerBench bench([](RunnerConfig& config) { config.idle_unload = 1s; });
  bench.run_to_end(bench.bundle(bench.manifest()));
  bench.until([&] { return bench.runner->workers().empty(); });
}

TEST_CASE("an engine, LibTorch or device that is not there is refused at once, with the way out") {
  RunnerBench bench;
  Manifest manifest = bench.manifest();
  manifest.engine = "nosuch";
  auto refused = bench.runner->submit(bench.request(bench.bundle(manifest)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::engine_missing);
  RunRequest on_gpu = bench.request(bench.bundle(bench.manifest()));
  on_gpu.device = "cuda:0";
  refused = bench.runner->submit(std::move(on_gpu));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::device_unavailable);
  manifest = bench.manifest();
  manifest.devices = {"cuda"};
  refused = bench.runner->submit(bench.request(bench.bundle(manifest)));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::device_unavailable);
  CHECK(bench.runner->active() == 0);
}

TEST_CASE("a full queue refuses") {
  RunnerBench bench([](RunnerConfig& config) { config.max_queue = 2; });
  const auto bundle = bench.bundle(bench.manifest());
  const RunKey first = bench.run(bundle), second = bench.run(bundle);
  const auto refused = bench.runner->submit(bench.request(bundle));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::queue_full);
  CHECK(bench.wait_end(first).status == PredictionStatus::succeeded);
  CHECK(bench.wait_end(second).status == PredictionStatus::succeeded);
}

TEST_CASE("workers killed at random under load: every key ends once, no descriptor is lost") {
  const std::size_t before = open_descriptors();
  {
    RunnerBench bench;
    Manifest manifest = bench.manifest();
    manifest.concurrency = 4;
    const auto bundle = bench.bundle(manifest);
    std::vector<RunKey> keys;
    for (int round = 0; round < 20; ++round) {
      for (int i = 0; i < 10; ++i)
        keys.push_back(bench.run(bundle, i % 2 == 0 ? "slow:3" : "stream:20"));
      const std::size_t third = keys.size() - 7;
      bench.until(
          [&] { return !bench.heard[keys[third]].ends.empty() || bench.heard[keys[third]].started > 0; });
      for (const WorkerStatus& worker : bench.runner->workers())
        if (worker.state == "busy" && worker.pid > 0) ::kill(worker.pid, SIGKILL);
    }
    std::size_t succeeded = 0, failed = 0;
    for (const RunKey key : keys) {
      const RunOutcome& end = bench.wait_end(key);
      succeeded += end.status == PredictionStatus::succeeded ? 1 : 0;
      if (end.status == PredictionStatus::failed) {
        ++failed;
        CHECK(end.error->code == ErrorCode::out_of_memory);
      }
    }
    CHECK(succeeded + failed == keys.size());
    CHECK(succeeded > 0);
    CHECK(bench.runner->active() == 0);
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("the runner's end takes its workers along") {
  int pid = 0;
  {
    RunnerBench bench;
    const RunKey key = bench.run(bench.bundle(bench.manifest()), "hang_hard");
    bench.until([&] { return bench.heard[key].started == 1; });
    pid = bench.worker_pid();
    CHECK(is_alive(pid));
  }
  CHECK_FALSE(is_alive(pid));
}

TEST_CASE("a plan says what a prediction would meet, and starts nothing") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  const auto cold = bench.runner->plan(*bundle, "auto");
  REQUIRE_MESSAGE(cold, cold.error().message);
  CHECK(cold->device == "cpu");
  CHECK(cold->start == RunPlan::Start::after_load);
  CHECK(cold->memory_bytes > 0);
  CHECK(bench.runner->workers().empty());
  CHECK(bench.wait_end(bench.run(bundle)).status == PredictionStatus::succeeded);
  CHECK(bench.runner->plan(*bundle, "auto")->start == RunPlan::Start::at_once);
  const RunKey running = bench.run(bundle, "hang");
  bench.until([&] { return bench.heard[running].started; });
  CHECK(bench.runner->plan(*bundle, "auto")->start == RunPlan::Start::in_queue);
  bench.runner->cancel(running);
  CHECK(bench.wait_end(running).status == PredictionStatus::canceled);
  const auto elsewhere = bench.runner->plan(*bundle, "cuda");
  REQUIRE_FALSE(elsewhere);
  CHECK(elsewhere.error().code == ErrorCode::device_unavailable);
}
