// The runner over real workers: predictions, cancel in each phase, ends of every kind.
#include <csignal>
#include <fstream>

#include <fcntl.h>
#include <sys/wait.h>

#include <doctest/doctest.h>

#include "daemon/tests/runner_bench.h"

using namespace mrun;
using namespace std::chrono_literals;

TEST_CASE("a cold prediction answers, with phases that add up") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  const RunKey key = bench.run(bundle);
  const RunOutcome& cold = bench.wait_end(key);
  CHECK(cold.status == PredictionStatus::succeeded);
  CHECK_FALSE(cold.error.has_value());
  CHECK(cold.cold_start);
  CHECK(cold.worker_pid > 0);
  CHECK(cold.device == "cpu");
  CHECK(cold.peak_memory_bytes > 0);
  const Heard& heard = bench.heard[key];
  REQUIRE(heard.outputs.size() == 1);
  CHECK(heard.outputs[0].kind == RunOutput::Kind::text);
  CHECK(heard.outputs[0].text == "hi");
  CHECK(heard.phases.front() == Phase::spawn);
  CHECK(cold.phases[Phase::spawn] > 0);
  CHECK(cold.phases[Phase::import] > 0);
  CHECK(cold.phases[Phase::predict] > 0);

  const RunKey next = bench.run(bundle);
  const RunOutcome& warm = bench.wait_end(next);
  CHECK_FALSE(warm.cold_start);
  CHECK(warm.worker_pid == cold.worker_pid);
  CHECK(warm.phases[Phase::spawn] == 0);
  CHECK(bench.heard[next].phases.empty());
  const auto workers = bench.runner->workers();
  REQUIRE(workers.size() == 1);
  CHECK(workers[0].state == "idle");
  CHECK(workers[0].predictions == 2);
  CHECK(workers[0].model == "test/echo");
  CHECK(workers[0].memory_bytes > 0);
}

TEST_CASE("many at once: one load, no more than the concurrency, each ends once") {
  RunnerBench bench;
  Manifest manifest = bench.manifest();
  manifest.concurrency = 3;
  const auto bundle = bench.bundle(manifest);
  std::vector<RunKey> keys;
  for (int i = 0; i < 40; ++i)
    keys.push_back(bench.run(bundle, i % 3 == 0 ? "slow:5" : ""));
  for (const RunKey key : keys)
    CHECK(bench.wait_end(key).status == PredictionStatus::succeeded);
  CHECK(bench.runner->workers().size() == 1);
  CHECK(bench.runner->active() == 0);
}

TEST_CASE("cancel before, while loading and while running") {
  RunnerBench bench;
  const auto slow_load = bench.bundle(bench.manifest("hang_in_load"));
  const RunKey loading = bench.run(slow_load);
  bench.until([&] { return bench.worker_pid() > 0; });
  const int pid = bench.worker_pid();
  bench.runner->cancel(loading);
  CHECK(bench.heard[loading].ends.empty()); // never from inside of cancel
  CHECK(bench.wait_end(loading).status == PredictionStatus::canceled);
  bench.until([&] { return bench.runner->workers().empty(); });
  CHECK_FALSE(is_alive(pid)); // nobody waited for it

  const auto bundle = bench.bundle(bench.manifest());
  const RunKey running = bench.run(bundle, "slow:60000");
  const RunKey queued = bench.run(bundle);
  bench.until([&] { return bench.heard[running].started == 1; });
  bench.runner->cancel(queued);
  const RunOutcome& end = bench.wait_end(queued);
  CHECK(end.status == PredictionStatus::canceled);
  CHECK(end.error->code == ErrorCode::cancelled);
  bench.runner->cancel(running);
  bench.runner->cancel(running);
  CHECK(bench.wait_end(running).status == PredictionStatus::canceled);
  bench.runner->cancel(12345);
  CHECK(bench.run_to_end(bundle).status == PredictionStatus::succeeded);
}

TEST_CASE("a model that ignores cancel loses its worker, and the next one works") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  const RunKey key = bench.run(bundle, "hang");
  bench.until([&] { return bench.heard[key].started == 1; });
  const int pid = bench.worker_pid();
  bench.runner->cancel(key);
  CHECK(bench.wait_end(key).status == PredictionStatus::canceled);
  // The worker is ended, unless the cancel came before the hang began.
  bench.until([&] { return bench.runner->workers().empty() || bench.runner->workers()[0].state == "idle"; });
  CHECK(is_alive(pid) == !bench.runner->workers().empty());
  CHECK(bench.run_to_end(bundle).status == PredictionStatus::succeeded);
}

TEST_CASE("deadlines") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  CHECK(bench.run_to_end(bundle).status == PredictionStatus::succeeded);
  RunRequest request = bench.request(bundle, "slow:60000");
  const RunKey running = request.key;
  request.deadline_monotonic_ns = system_clock().monotonic_ns() + 300'000'000;
  REQUIRE(bench.runner->submit(std::move(request)));
  RunRequest late = bench.request(bundle);
  const RunKey queued = late.key;
  late.deadline_monotonic_ns = system_clock().monotonic_ns() + 1'000'000;
  REQUIRE(bench.runner->submit(std::move(late)));
  CHECK(bench.wait_end(queued).status == PredictionStatus::aborted);
  CHECK(bench.heard[queued].end().error->code == ErrorCode::aborted);
  CHECK(bench.wait_end(running).status == PredictionStatus::canceled);
  CHECK(bench.heard[running].end().error->code == ErrorCode::deadline_exceeded);
}

TEST_CASE("a worker that dies takes only its own predictions along") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  struct Death {
    const char* mode;
    ErrorCode code;
    const char* words;
  };
  for (const Death& death : {Death{"crash", ErrorCode::worker_crashed, "died of SIGSEGV"},
                             Death{"abort", ErrorCode::worker_crashed, "died of SIGABRT"},
                             Death{"exit0", ErrorCode::worker_crashed, "ended by itself with exit code 0"},
                             Death{"killed", ErrorCode::out_of_memory, "ran out of memory"}}) {
    CAPTURE(death.mode);
    const RunKey key = bench.run(bundle, death.mode);
    const RunKey next = bench.run(bundle);
    const RunOutcome& end = bench.wait_end(key);
    CHECK(end.status == PredictionStatus::failed);
    CHECK(end.error->code == death.code);
    CHECK(end.error->message.find(death.words) != std::string::npos);
    CHECK(bench.wait_end(next).status == PredictionStatus::succeeded);
    CHECK(bench.heard[next].end().worker_pid != end.worker_pid);
  }
}

TEST_CASE("an input that can't be sent ends its prediction, not the worker's others") {
  RunnerBench bench;
  Manifest manifest = bench.manifest();
  manifest.concurrency = 2;
  const auto bundle = bench.bundle(manifest);
  const RunKey other = bench.run(bundle, "slow:300");
  bench.until([&] { return bench.heard[other].started == 1; });
  RunRequest request = bench.request(bundle);
  for (std::size_t i = 0; i <= k_max_frame_fds; ++i)
    request.files.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const RunKey key = request.key;
  REQUIRE(bench.runner->submit(std::move(request)));
  const RunOutcome& end = bench.wait_end(key);
  CHECK(end.status == PredictionStatus::failed);
  CHECK(end.error->code == ErrorCode::request_too_large);
  CHECK(end.error->message == "the input has 65 files, a prediction may have 64");
  CHECK(bench.wait_end(other).status == PredictionStatus::succeeded);
  CHECK(bench.run_to_end(bundle).worker_pid == end.worker_pid);
}

TEST_CASE("a prediction sent to a worker that had just died runs in the next one, files and all") {
  RunnerBench bench;
  Manifest manifest = bench.manifest();
  const auto bundle = bench.bundle(manifest);
  const int pid = bench.run_to_end(bundle).worker_pid;
  ::kill(pid, SIGKILL);
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOWAIT) == 0); // the runner reaps it
  RunRequest request = bench.request(bundle);
  request.files.emplace_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  const RunKey key = request.key;
  REQUIRE(bench.runner->submit(std::move(request)));
  const RunOutcome& end = bench.wait_end(key);
  CHECK(end.status == PredictionStatus::succeeded);
  CHECK(end.worker_pid != pid);
  CHECK(end.cold_start);
  REQUIRE(bench.heard[key].outputs.size() == 1);
  CHECK(bench.heard[key].outputs[0].text == "hi");
}

TEST_CASE("what the model says about its end is passed on") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  struct End {
    const char* mode;
    ErrorCode code;
    bool keeps_worker;
  };
  for (const End& expected :
       {End{"fail:no luck", ErrorCode::prediction_failed, true},
        End{"unsupported", ErrorCode::engine_unsupported, true}, End{"oom", ErrorCode::out_of_memory, false},
        End{"device_error", ErrorCode::device_error, false}}) {
    CAPTURE(expected.mode);
    const RunOutcome& end = bench.run_to_end(bundle, expected.mode);
    CHECK(end.status == PredictionStatus::failed);
    CHECK(end.error->code == expected.code);
    const int pid = end.worker_pid;
    const RunOutcome& next = bench.run_to_end(bundle);
    CHECK(next.status == PredictionStatus::succeeded);
    CHECK((next.worker_pid == pid) == expected.keeps_worker);
  }
}

TEST_CASE("a worker that breaks the frames is ended") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  for (const char* mode : {"garbage_frame", "close_socket"}) {
    CAPTURE(mode);
    const RunOutcome& end = bench.run_to_end(bundle, mode);
    CHECK(end.status == PredictionStatus::failed);
    // A worker that sees its own socket closed may end by itself.
    const bool ended_itself =
        std::string_view(mode) == "close_socket" && end.error->code == ErrorCode::worker_crashed;
    CHECK((ended_itself || end.error->code == ErrorCode::worker_protocol));
    bench.until([&] { return bench.runner->workers().empty() || bench.worker_pid() != end.worker_pid; });
    CHECK_FALSE(is_alive(end.worker_pid));
  }
}

TEST_CASE("limits: logs, outputs, metrics, and large ones within") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  CHECK(bench.run_to_end(bundle, "log_flood:200000").error->code == ErrorCode::output_limit);
  CHECK(bench.run_to_end(bundle, "many_outputs:100001").error->code == ErrorCode::output_limit);
  CHECK(bench.run_to_end(bundle, "many_outputs:1000").status == PredictionStatus::succeeded);
  const RunKey huge = bench.run(bundle, "huge_output:30000000"); // by memfd
  CHECK(bench.wait_end(huge).status == PredictionStatus::succeeded);
  REQUIRE(bench.heard[huge].outputs.size() >= 1);
  CHECK(bench.heard[huge].outputs[0].text.size() == 30'000'000);
  const RunKey metric = bench.run(bundle, "metric:steps:7");
  CHECK(bench.wait_end(metric).status == PredictionStatus::succeeded);
  CHECK(bench.heard[metric].metrics.at("steps") == 7);
  const RunKey file = bench.run(bundle, "file:100000");
  CHECK(bench.wait_end(file).status == PredictionStatus::succeeded);
  CHECK(bench.heard[file].outputs.at(0).text.size() == 100'000);
  CHECK(bench.heard[file].outputs.at(0).media_type == "image/png");
}

TEST_CASE("standard output becomes the prediction's log, the log file and the last lines") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  const RunKey noisy = bench.run(bundle, "stdout_noise:3");
  bench.wait_end(noisy);
  const RunOutcome& end = bench.run_to_end(bundle, "crash");
  CHECK(end.last_log_lines.empty()); // those were another's
  std::ifstream file(end.log_path);
  const std::string text((std::istreambuf_iterator<char>(file)), {});
  CHECK(text.find("noise 2 on stdout\n") != std::string::npos);
  CHECK(text.find("noise 2 on stderr\n") != std::string::npos);
}

TEST_CASE("a failure's last lines are its own or its load's, never another prediction's") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  bench.run_to_end(bundle, "stdout_noise:3");
  const RunOutcome& own = bench.run_to_end(bundle, "noise_crash:2");
  CHECK(own.last_log_lines.size() == 4);
  for (const std::string& line : own.last_log_lines)
    CHECK(line.starts_with("last words "));
  CHECK(bench.run_to_end(bench.bundle(bench.manifest("noise_crash:2"))).last_log_lines.size() == 4);

  Manifest manifest = bench.manifest();
  manifest.concurrency = 2;
  const auto shared = bench.bundle(manifest);
  const RunKey other = bench.run(shared, "slow:60000");
  bench.until([&] { return bench.heard[other].started == 1; });
  const RunOutcome& end = bench.run_to_end(shared, "noise_crash:2");
  CHECK(end.status == PredictionStatus::failed);
  CHECK(end.last_log_lines.empty()); // whose they are can't be told
  CHECK(bench.wait_end(other).last_log_lines.empty());
}

TEST_CASE("a process of the worker's own does not outlive it") {
  RunnerBench bench;
  const auto bundle = bench.bundle(bench.manifest());
  const RunOutcome& end = bench.run_to_end(bundle, "fork_children:2");
  CHECK(end.status == PredictionStatus::succeeded);
  std::size_t ended = 0;
  bench.runner->stop_model(bundle->digest, false, [&](std::size_t count) { ended = count; });
  bench.until([&] { return ended == 1; });
  bench.until([&] { return living_in_group(end.worker_pid) == 0; }); // killed with it; they may take a moment
}
