// The zygote. No LibTorch here: in an installation of its own the echo engine stands where torch would.
#include <algorithm>
#include <csignal>
#include <cstdio>
#include <fstream>

#include <boost/asio/steady_timer.hpp>
#include <doctest/doctest.h>

#include "daemon/tests/runner_bench.h"

using namespace mrun;
using namespace std::chrono_literals;

namespace {

std::filesystem::path make_installation(const std::filesystem::path& folder) {
  const std::filesystem::path prefix = folder / "install", built = MRUN_TEST_PREFIX;
  std::filesystem::create_directories(prefix / "libexec/mrun");
  std::filesystem::create_directories(prefix / "lib/mrun/engines");
  std::filesystem::create_directories(prefix / "torch/lib");
  std::filesystem::create_symlink(built / "libexec/mrun/mrun-worker", prefix / "libexec/mrun/mrun-worker");
  std::filesystem::create_symlink(built / "lib/mrun/engines/echo.so", prefix / "lib/mrun/engines/torch.so");
  std::ofstream(prefix / "torch/lib/libtorch_cpu.so") << "";
  return prefix;
}

struct ZygoteBench {
  std::filesystem::path folder;
  std::unique_ptr<RunnerBench> bench;

  explicit ZygoteBench(const std::function<void(RunnerConfig&)>& change = {}) {
    std::string pattern = (std::filesystem::temp_directory_path() / "mrun-zygote-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    const auto prefix = make_installation(folder);
    bench = std::make_unique<RunnerBench>([&](RunnerConfig& config) {
      config.install.prefix = prefix;
      config.torch_dir = (prefix / "torch").string();
      config.use_zygote = true;
      if (change) change(config);
    });
  }
  ~ZygoteBench() {
    bench.reset();
    std::filesystem::remove_all(folder);
  }
  std::shared_ptr<const Bundle> bundle(const std::string& misbehave = "") {
    Manifest manifest = bench->manifest(misbehave);
    manifest.engine = "torch";
    return bench->bundle(manifest);
  }
};

int parent_of(int pid) {
  std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
  std::string text((std::istreambuf_iterator<char>(file)), {});
  text = text.substr(text.rfind(')') + 4); // "S <ppid> …"
  return std::stoi(text);
}

} // namespace

TEST_CASE("torch workers are forked from the zygote, which starts when it is needed") {
  ZygoteBench zygote;
  RunnerBench& bench = *zygote.bench;
  CHECK_FALSE(bench.runner->zygote_pid().has_value());
  const auto bundle = zygote.bundle();
  const RunOutcome& first = bench.run_to_end(bundle);
  CHECK(first.status == PredictionStatus::succeeded);
  REQUIRE(bench.runner->zygote_pid().has_value());
  CHECK(bench.runner->zygote_is_ready());
  CHECK(parent_of(first.worker_pid) == *bench.runner->zygote_pid());
  const RunOutcome& other = bench.run_to_end(zygote.bundle());
  CHECK(parent_of(other.worker_pid) == *bench.runner->zygote_pid());
  CHECK(other.worker_pid != first.worker_pid);
}

TEST_CASE("how a forked worker ended is known") {
  ZygoteBench zygote;
  RunnerBench& bench = *zygote.bench;
  const auto bundle = zygote.bundle();
  const RunOutcome& crash = bench.run_to_end(bundle, "crash");
  CHECK(crash.error->message.find("SIGSEGV") != std::string::npos);
  const RunOutcome& exit = bench.run_to_end(bundle, "exit:4");
  CHECK(exit.error->message.find("exit code 4") != std::string::npos);
  const RunKey hanging = bench.run(bundle, "hang");
  bench.until([&] { return bench.heard[hanging].started == 1; });
  const int pid = bench.worker_pid();
  bench.runner->cancel(hanging);
  CHECK(bench.wait_end(hanging).status == PredictionStatus::canceled);
  // The worker is ended, unless the cancel came before the hang began.
  bench.until([&] { return bench.runner->workers().empty() || bench.runner->workers()[0].state == "idle"; });
  CHECK(is_alive(pid) == !bench.runner->workers().empty());
}

TEST_CASE("a zygote that dies takes its workers along; work goes on without it, later with a new one") {
  ZygoteBench zygote;
  RunnerBench& bench = *zygote.bench;
  const auto bundle = zygote.bundle();
  const RunOutcome& first = bench.run_to_end(bundle);
  const int zygote_pid = *bench.runner->zygote_pid();
  ::kill(zygote_pid, SIGKILL);
  bench.until([&] { return !bench.runner->zygote_pid() && bench.runner->workers().empty(); });
  CHECK_FALSE(is_alive(first.worker_pid));
  const RunOutcome& plain = bench.run_to_end(bundle);
  CHECK(plain.status == PredictionStatus::succeeded);
  CHECK(parent_of(plain.worker_pid) == ::getpid());
}

TEST_CASE("an idle zygote ends, but never while a worker that was forked from it lives") {
  ZygoteBench zygote([](RunnerConfig& config) { config.zygote_idle = 50ms; });
  RunnerBench& bench = *zygote.bench;
  const auto bundle = zygote.bundle();
  const RunOutcome& first = bench.run_to_end(bundle, "slow:400"); // many idle times long
  CHECK(first.status == PredictionStatus::succeeded);
  REQUIRE(bench.runner->zygote_pid().has_value());
  const int zygote_pid = *bench.runner->zygote_pid();
  CHECK(parent_of(first.worker_pid) == zygote_pid);
  boost::asio::steady_timer pause(bench.io, 400ms); // the worker is loaded and idle for as long
  bool is_over = false;
  pause.async_wait([&](const boost::system::error_code&) { is_over = true; });
  bench.until([&] { return is_over; });
  const RunOutcome& second = bench.run_to_end(bundle);
  CHECK(second.status == PredictionStatus::succeeded);
  CHECK(second.worker_pid == first.worker_pid);
  CHECK(bench.runner->zygote_pid() == zygote_pid);
  bench.runner->stop_model(bundle->digest, false, [](std::size_t) {});
  bench.until([&] { return !bench.runner->zygote_pid() && !is_alive(zygote_pid); });
  // An idle end is no failure, so there is no backoff: a start meanwhile may still be a plain spawn, and one
  // that comes after the end was noticed finds a new zygote.
  for (int starts = 0; starts < 100 && !bench.runner->zygote_pid(); ++starts) {
    CHECK(bench.run_to_end(bundle).status == PredictionStatus::succeeded);
    if (bench.runner->zygote_pid()) break;
    bool is_stopped = false;
    bench.runner->stop_model(bundle->digest, false, [&](std::size_t) { is_stopped = true; });
    bench.until([&] { return is_stopped; });
  }
  CHECK(bench.runner->zygote_pid().has_value());
}

TEST_CASE("a zygote that hangs is killed, and who waits for it is spawned plainly") {
  ZygoteBench zygote([](RunnerConfig& config) { config.zygote_grace = 200ms; });
  RunnerBench& bench = *zygote.bench;
  bench.run_to_end(zygote.bundle());
  const int zygote_pid = *bench.runner->zygote_pid();
  ::kill(zygote_pid, SIGSTOP);
  const RunOutcome& plain = bench.run_to_end(zygote.bundle());
  CHECK(plain.status == PredictionStatus::succeeded);
  CHECK(parent_of(plain.worker_pid) == ::getpid());
  CHECK_FALSE(is_alive(zygote_pid));
  CHECK_FALSE(bench.runner->zygote_pid().has_value());
}

TEST_CASE("a zygote that hangs when it is to end is killed") {
  ZygoteBench zygote([](RunnerConfig& config) { config.zygote_grace = 200ms; });
  RunnerBench& bench = *zygote.bench;
  bench.run_to_end(zygote.bundle());
  const int zygote_pid = *bench.runner->zygote_pid();
  ::kill(zygote_pid, SIGSTOP);
  bool is_drained = false;
  bench.runner->drain(10s, [&] { is_drained = true; });
  bench.until([&] { return is_drained && !is_alive(zygote_pid); });
  CHECK(bench.runner->workers().empty());
}

TEST_CASE("a forked worker's own processes do not outlive it") {
  ZygoteBench zygote;
  RunnerBench& bench = *zygote.bench;
  const auto bundle = zygote.bundle();
  const RunOutcome& end = bench.run_to_end(bundle, "fork_children:2");
  CHECK(end.status == PredictionStatus::succeeded);
  bench.runner->stop_model(bundle->digest, false, [](std::size_t) {});
  boost::asio::steady_timer look_again(bench.io);
  bench.until([&] {
    look_again.expires_after(10ms);
    look_again.async_wait([](const boost::system::error_code&) {});
    return living_in_group(end.worker_pid) == 0;
  });
  CHECK(bench.runner->zygote_pid().has_value());
}

TEST_CASE("a zygote that can't start is no reason to fail") {
  ::setenv("MRUN_ECHO_WARM", "fail", 1);
  ZygoteBench zygote;
  const RunOutcome& end = zygote.bench->run_to_end(zygote.bundle());
  CHECK(end.status == PredictionStatus::succeeded);
  ::unsetenv("MRUN_ECHO_WARM");
}

TEST_CASE(
    "the zygote is prepared only when the store has something for it; without LibTorch torch is missing") {
  ZygoteBench zygote;
  zygote.bench->runner->prepare_zygote();
  CHECK_FALSE(zygote.bench->runner->zygote_pid().has_value()); // an empty store
  std::filesystem::remove_all(zygote.folder / "install/torch");
  const auto refused = zygote.bench->runner->submit(zygote.bench->request(zygote.bundle()));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::engine_missing);
  CHECK(refused.error().hint.find("MRUN_TORCH_DIR") != std::string::npos);
}

TEST_CASE("latency: cold echo by the zygote" * doctest::skip()) {
  ZygoteBench zygote;
  RunnerBench& bench = *zygote.bench;
  bench.run_to_end(zygote.bundle());
  std::vector<std::int64_t> total_ns;
  for (int i = 0; i < 100; ++i) {
    const auto bundle = zygote.bundle();
    const std::int64_t begin_ns = system_clock().monotonic_ns();
    bench.run_to_end(bundle);
    total_ns.push_back(system_clock().monotonic_ns() - begin_ns);
    bool is_gone = false;
    bench.runner->stop_model(bundle->digest, false, [&](std::size_t) { is_gone = true; });
    bench.until([&] { return is_gone; });
  }
  std::ranges::sort(total_ns);
  std::printf("cold by the zygote           n=100  p50 %.1f us  min %.1f us\n",
              static_cast<double>(total_ns[50]) / 1000, static_cast<double>(total_ns[0]) / 1000);
}
