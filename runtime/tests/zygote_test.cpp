// The zygote: forks of a warmed engine, their reaping, and what happens when one of the family dies.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <fstream>
#include <memory>
#include <set>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "runtime/messages.h"
#include "runtime/tests/worker_process.h"

using namespace mrun;
using namespace mrun::test;

namespace {

const Json k_manifest{{"name", "test/echo"}, {"output", {{"type", "any"}}}};

struct Forked {
  std::unique_ptr<WorkerProcess> worker;
  UniqueFd pidfd;
};

// Asks for a fork and waits for `forked`; `reaped` frames in between go to `reaped`.
Forked fork_worker(WorkerProcess& zygote, std::uint64_t seq, std::vector<Json>* reaped = nullptr) {
  auto pair = frame_socketpair();
  REQUIRE(pair);
  int output[2] = {-1, -1};
  REQUIRE(::pipe2(output, O_CLOEXEC) == 0);
  const UniqueFd write_end(output[1]);
  zygote.send(fork_message(seq), {}, {pair->second.get(), write_end.get()});
  for (;;) {
    Frame frame = zygote.receive();
    if (frame.type() == "reaped" && reaped != nullptr) {
      reaped->push_back(frame.header);
      continue;
    }
    REQUIRE_MESSAGE(frame.type() == "forked", canonical_json(frame.header));
    CHECK(frame.header["seq"] == seq);
    REQUIRE(frame.fds.size() == 1);
    const int pid = frame.header["pid"].get<int>();
    auto worker = std::make_unique<WorkerProcess>(std::move(pair->first), UniqueFd(output[0]), pid);
    return {std::move(worker), std::move(frame.fds[0])}; // NOLINT(clang-analyzer-cplusplus.NewDeleteLeaks)
  }
}

} // namespace

TEST_CASE("a zygote forks workers that go on as any worker") {
  WorkerProcess zygote(echo_engine(), "--zygote");
  const Frame hello = zygote.expect("hello");
  CHECK(hello.header["pid"] == zygote.pid());
  Forked forked = fork_worker(zygote, 1);
  CHECK(forked.worker->pid() != zygote.pid());
  const Frame loaded = forked.worker->load(k_manifest);
  CHECK(loaded.type() == "loaded");
  CHECK(forked.worker->ask(Json{{"text", "x"}}).text() == R"({"text":"x"})");
  CHECK(::getsid(forked.worker->pid()) == forked.worker->pid());
  rlimit files{};
  REQUIRE(::prlimit(forked.worker->pid(), RLIMIT_NOFILE, nullptr, &files) == 0);
  CHECK(files.rlim_max <= 4096);
  std::ifstream score("/proc/" + std::to_string(forked.worker->pid()) + "/oom_score_adj");
  int oom_score_adj = 0;
  score >> oom_score_adj;
  CHECK(oom_score_adj >= 500);
  CHECK(forked.worker->ask(Json{{"mode", "stdout_noise:1"}}).status() == "succeeded");
  forked.worker->send(exit_message());
  const Frame reaped = zygote.expect("reaped");
  CHECK(reaped.header["pid"] == forked.worker->pid());
  CHECK(reaped.header["exit_code"] == 0);
  CHECK(forked.worker->output().find("noise 0 on stdout") != std::string::npos);
  zygote.send(exit_message());
  CHECK(zygote.wait() == 0);
}

TEST_CASE("a hundred forks: each says hello, answers and is reaped once") {
  WorkerProcess zygote(echo_engine(), "--zygote");
  zygote.expect("hello");
  std::vector<Json> reaped;
  std::vector<std::int64_t> fork_to_hello_ns;
  std::set<int> killed, ended;
  for (std::uint64_t seq = 1; seq <= 100; ++seq) {
    const std::int64_t start_ns = system_clock().monotonic_ns();
    Forked forked = fork_worker(zygote, seq, &reaped);
    Frame hello = forked.worker->expect("hello");
    fork_to_hello_ns.push_back(system_clock().monotonic_ns() - start_ns);
    const int pid = forked.worker->pid();
    CHECK(hello.header["pid"] == pid);
    const TempFolder blobs;
    const UniqueFd folder = blobs.open();
    forked.worker->send(load_message(false), canonical_json(model_spec(k_manifest, Json::array())),
                        {folder.get()});
    forked.worker->expect("loaded");
    CHECK(forked.worker->ask(Json{{"n", seq}}).status() == "succeeded");
    if (seq % 2 == 0) {
      ::kill(pid, SIGKILL);
      killed.insert(pid);
    } else {
      forked.worker->send(exit_message());
      ended.insert(pid);
    }
    CHECK(ends(forked.pidfd.get())); // before its number can be used again
  }
  while (reaped.size() < 100)
    reaped.push_back(zygote.expect("reaped").header);
  for (const Json& header : reaped) {
    const int pid = header["pid"].get<int>();
    if (header.contains("signal"))
      CHECK(killed.erase(pid) == 1);
    else
      CHECK(ended.erase(pid) == 1);
  }
  CHECK(killed.empty());
  CHECK(ended.empty());
  std::sort(fork_to_hello_ns.begin(), fork_to_hello_ns.end());
  MESSAGE("fork to hello: p50 " << fork_to_hello_ns[50] / 1000 << " us, p99 " << fork_to_hello_ns[98] / 1000
                                << " us");
}

TEST_CASE("many workers live at once and share nothing of the zygote's") {
  WorkerProcess zygote(echo_engine(), "--zygote");
  zygote.expect("hello");
  std::vector<Forked> workers;
  for (std::uint64_t seq = 1; seq <= 10; ++seq)
    workers.push_back(fork_worker(zygote, seq));
  for (std::size_t i = 0; i < workers.size(); ++i)
    workers[i].worker->load(k_manifest);
  for (std::size_t i = 0; i < workers.size(); ++i)
    CHECK(workers[i].worker->ask(Json{{"n", i}}).text() == "{\"n\":" + std::to_string(i) + "}");
}

TEST_CASE("the zygote's workers die with it") {
  WorkerProcess zygote(echo_engine(), "--zygote");
  zygote.expect("hello");
  Forked forked = fork_worker(zygote, 1);
  forked.worker->load(k_manifest);
  forked.worker->predict(1, Json{{"mode", "hang_hard"}});
  forked.worker->expect("started");
  ::kill(zygote.pid(), SIGKILL);
  CHECK(ends(forked.pidfd.get()));
}

TEST_CASE("`exit` waits for the zygote's workers, and nothing is forked after it") {
  WorkerProcess zygote(echo_engine(), "--zygote");
  zygote.expect("hello");
  Forked forked = fork_worker(zygote, 1);
  forked.worker->load(k_manifest);
  zygote.send(exit_message());
  zygote.send(fork_message(2), {}, {forked.pidfd.get(), forked.pidfd.get()});
  CHECK(zygote.expect("fork_failed").header["seq"] == 2);
  CHECK(forked.worker->ask(Json{{"text", "x"}}).text() == R"({"text":"x"})");
  forked.worker->send(exit_message());
  CHECK(zygote.expect("reaped").header["exit_code"] == 0);
  CHECK(zygote.wait() == 0);
}

TEST_CASE("a zygote with a second thread refuses to fork") {
  WorkerProcess zygote(echo_engine(), "--zygote", {{"MRUN_ECHO_WARM", "thread"}});
  zygote.expect("hello");
  auto pair = frame_socketpair();
  zygote.send(fork_message(4), {}, {pair->second.get(), pair->second.get()});
  const Frame frame = zygote.expect("fork_failed");
  CHECK(frame.header["seq"] == 4);
  CHECK(frame.header["message"].get<std::string>().find("threads") != std::string::npos);
}

TEST_CASE("a warm-up that fails is told in place of hello") {
  WorkerProcess zygote(echo_engine(), "--zygote", {{"MRUN_ECHO_WARM", "fail"}});
  const Frame frame = zygote.receive();
  CHECK(frame.type() == "load_failed");
  CHECK(frame.header["message"] == "asked to fail while warming up");
  CHECK(WEXITSTATUS(zygote.wait()) == 1);
}

TEST_CASE("a zygote ends when its socket closes, and refuses what is no frame of its own") {
  WorkerProcess zygote(echo_engine(), "--zygote");
  zygote.expect("hello");
  ::shutdown(zygote.control(), SHUT_RDWR);
  CHECK(zygote.wait() == 0);
  for (const Json& header : {Json{{"t", "load"}}, Json{{"t", "fork"}, {"seq", 1}}, Json{{"t", "fork"}}}) {
    WorkerProcess other(echo_engine(), "--zygote");
    other.expect("hello");
    other.send(header);
    CHECK(WEXITSTATUS(other.wait()) == 1);
  }
}
