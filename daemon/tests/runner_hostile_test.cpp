// What a worker says is untrusted: a program of our own stands where mrun-worker would and breaks one rule at
// a time.
#include <filesystem>
#include <fstream>

#include <sys/resource.h>

#include <doctest/doctest.h>

#include "daemon/runner/frame_channel.h"
#include "daemon/runner/load_timeline.h"
#include "daemon/runner/process.h"
#include "daemon/runner/worker_log.h"
#include "daemon/tests/runner_bench.h"

using namespace mrun;

namespace {

struct HostileBench {
  std::filesystem::path folder;
  std::unique_ptr<RunnerBench> bench;

  HostileBench() {
    std::string pattern = (std::filesystem::temp_directory_path() / "mrun-hostile-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    folder = pattern;
    std::filesystem::create_directories(folder / "libexec/mrun");
    std::filesystem::create_directories(folder / "lib/mrun/engines");
    std::filesystem::create_symlink(MRUN_HOSTILE_WORKER, folder / "libexec/mrun/mrun-worker");
    std::ofstream(folder / "lib/mrun/engines/echo.so") << "";
    bench = std::make_unique<RunnerBench>([&](RunnerConfig& config) { config.install.prefix = folder; });
  }
  ~HostileBench() {
    bench.reset();
    std::filesystem::remove_all(folder);
  }
};

} // namespace

TEST_CASE("a frame that does not fit ends the worker and fails what ran") {
  HostileBench hostile;
  RunnerBench& bench = *hostile.bench;
  const auto bundle = bench.bundle(bench.manifest());
  CHECK(bench.run_to_end(bundle).status == PredictionStatus::succeeded);
  for (const char* mode :
       {"unknown_type", "unknown_id", "no_id", "negative_id", "started_twice", "output_before_started",
        "bad_kind", "bad_json", "bad_status", "aborted", "bad_level", "metric_name", "metric_value",
        "hello_again", "loaded_again", "load_failed_late"}) {
    CAPTURE(std::string(mode));
    const RunOutcome& end = bench.run_to_end(bundle, mode);
    CHECK(end.status == PredictionStatus::failed);
    CHECK(end.error->code == ErrorCode::worker_protocol);
    CHECK(end.error->notes.size() == 1);
    CHECK(bench.run_to_end(bundle).worker_pid != end.worker_pid);
  }
  CHECK(bench.run_to_end(bundle, "many_metrics").error->code == ErrorCode::output_limit);
}

TEST_CASE("what follows a prediction's end ends the worker, not the prediction") {
  HostileBench hostile;
  RunnerBench& bench = *hostile.bench;
  const auto bundle = bench.bundle(bench.manifest());
  for (const char* mode : {"done_twice", "output_after_done"}) {
    const RunKey key = bench.run(bundle, mode);
    const RunOutcome& end = bench.wait_end(key);
    CHECK(end.status == PredictionStatus::succeeded);
    bench.until([&] { return !is_alive(end.worker_pid); });
    CHECK(bench.heard[key].ends.size() == 1);
    CHECK(bench.heard[key].outputs.size() == 1);
  }
}

TEST_CASE("a process that inherits a dead worker's socket and floods it does not hold the daemon up") {
  HostileBench hostile;
  RunnerBench& bench = *hostile.bench;
  const auto bundle = bench.bundle(bench.manifest());
  const RunOutcome& end = bench.run_to_end(bundle, "grandchild_floods");
  CHECK(end.status == PredictionStatus::failed);
  CHECK(end.error->code == ErrorCode::worker_crashed);
  CHECK(bench.run_to_end(bundle).status == PredictionStatus::succeeded);
}

TEST_CASE("a worker that broke a rule is heard no more") {
  HostileBench hostile;
  RunnerBench& bench = *hostile.bench;
  const auto bundle = bench.bundle(bench.manifest());
  const RunKey key = bench.run(bundle, "breaks_and_floods");
  CHECK(bench.wait_end(key).error->code == ErrorCode::worker_protocol);
  CHECK(bench.heard[key].logs.empty());
  CHECK(bench.run_to_end(bundle).status == PredictionStatus::succeeded);
}

TEST_CASE("a worker can't choose any error code, nor break lines") {
  HostileBench hostile;
  RunnerBench& bench = *hostile.bench;
  const RunKey key = bench.run(bench.bundle(bench.manifest()), "odd_code");
  const RunOutcome& end = bench.wait_end(key);
  CHECK(end.error->code == ErrorCode::prediction_failed);
  CHECK(end.error->message.find('\n') == std::string::npos);
  CHECK(bench.heard[key].logs == std::vector<std::string>{"where it happened"});
}

TEST_CASE("a start that breaks the protocol is a failed load; a lie about memory takes the budget at most") {
  HostileBench hostile;
  RunnerBench& bench = *hostile.bench;
  for (const char* mode : {"no_hello", "protocol", "bad_phase", "phases"})
    CHECK(bench.run_to_end(bench.bundle(bench.manifest(mode))).error->code == ErrorCode::worker_protocol);
  CHECK(bench.run_to_end(bench.bundle(bench.manifest("liar"))).status == PredictionStatus::succeeded);
  CHECK(bench.run_to_end(bench.bundle(bench.manifest())).status == PredictionStatus::succeeded);
}

TEST_CASE("a full control socket is waited for; descriptors that are used up are an error at once") {
  boost::asio::io_context io;
  auto sockets = frame_socketpair();
  REQUIRE(sockets);
  auto channel = FrameChannel::open(io, std::move(sockets->first));
  REQUIRE(channel);
  const std::string large(2 * k_max_inline_payload_bytes, 'x'); // travels in a memory file
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit none = before;
  none.rlim_cur = 3;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const auto refused = (*channel)->send({{"t", "predict"}}, large);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::resources);

  int sent = 0; // nobody reads
  Result<void> last;
  while ((last = (*channel)->send({{"t", "cancel"}})))
    ++sent;
  CHECK(sent > 512);
  CHECK(last.error().message == "512 frames wait for a worker that does not read");
}

TEST_CASE("a worker's log: lines cut, broken text escaped, the file rotated, the last 50 kept") {
  HostileBench hostile;
  const auto file = hostile.folder / "worker.log";
  WorkerLog log(file);
  CHECK(log.path().empty());
  std::vector<std::string> lines;
  const auto note = [&](std::string_view line) { lines.emplace_back(line); };
  log.append_bytes("one\ntw", note);
  log.append_bytes("o\r\n\xff\n", note);
  CHECK(lines == std::vector<std::string>{"one", "two", "\\xff"});
  log.append_bytes(std::string(3 * k_max_log_line_bytes, 'x'), note);
  log.append_bytes("end\nnext\n", note);
  REQUIRE(lines.size() == 5);
  CHECK(lines[3].size() == k_max_log_line_bytes);
  CHECK(lines[4] == "next");
  const std::string chunk = std::string(1000, 'y') + "\n";
  for (std::size_t written = 0; written < k_max_worker_log_bytes + k_mib; written += chunk.size())
    log.append_bytes(chunk, nullptr);
  CHECK(std::filesystem::exists(file.string() + ".1"));
  CHECK(std::filesystem::file_size(file) <= k_max_worker_log_bytes);
  CHECK(log.last_lines().size() == 50);
  log.append_bytes("no end", note);
  log.flush(note);
  CHECK(log.last_lines().back() == "no end");
  const std::uint64_t begin = log.line_count();
  CHECK(log.last_lines(begin).empty());
  CHECK(log.last_lines(begin - 2).size() == 2);
  log.append_line("mine");
  CHECK(log.last_lines(begin) == std::vector<std::string>{"mine"});
  for (int i = 0; i < 60; ++i)
    log.append_line("more");
  CHECK(log.last_lines(begin).size() == 50);
}

TEST_CASE("a worker log's name tells when and who") {
  CHECK(worker_log_name("acme-gist", 1'700'000'000'000'000'000, 4711) ==
        "acme-gist-20231114T221320-4711.log");
}

TEST_CASE("a load's phases are shared out by the time that each prediction waited") {
  LoadTimeline load;
  load.begin(100);
  load.mark(Phase::import, 120, 200);
  load.mark(Phase::spawn, 150, 200);
  load.mark(Phase::other, 200, 200);
  load.mark(Phase::map, 160, 220);   // began before the hello was read
  load.mark(Phase::build, 900, 300); // a clock from the future
  load.end(400);
  Phases all, late;
  load.add_to(all, 50, 500);
  CHECK(all[Phase::spawn] == 30);
  CHECK(all[Phase::import] == 30);
  CHECK(all[Phase::map] == 140);
  CHECK(all[Phase::build] == 100);
  CHECK(all.sum_ns() == 300);
  load.add_to(late, 350, 500);
  CHECK(late[Phase::build] == 50);
  CHECK(late.sum_ns() == 50);
}

TEST_CASE("a program that is not there can't be spawned") {
  const auto child = spawn_child({"/nonexistent/mrun-worker", {}, {}, 0, 1});
  REQUIRE_FALSE(child);
  CHECK(child.error().code == ErrorCode::engine_missing);
  CHECK(signal_text(11) == "SIGSEGV (Segmentation fault)");
}
