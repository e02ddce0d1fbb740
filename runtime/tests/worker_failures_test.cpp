// mrun-worker when things go wrong: the engine fails, dies, lies or floods; the daemon sends nonsense or is
// gone.
#include <doctest/doctest.h>

#include <csignal>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/messages.h"
#include "runtime/tests/worker_process.h"

using namespace mrun;
using namespace mrun::test;

namespace {

Json manifest_with(const std::string& misbehave = "") {
  return Json{{"name", "test/echo"}, {"output", {{"type", "any"}}}, {"options", {{"misbehave", misbehave}}}};
}

// The answer of a fresh worker to one mode.
Answer answer_to(const std::string& mode) {
  WorkerProcess worker;
  REQUIRE(worker.load(manifest_with()).type() == "loaded");
  return worker.ask(Json{{"mode", mode}});
}

Json load_failure(const std::string& misbehave) {
  WorkerProcess worker;
  const Frame frame = worker.load(manifest_with(misbehave));
  CHECK(frame.type() == "load_failed");
  CHECK(WEXITSTATUS(worker.wait()) == 1);
  return frame.header;
}

} // namespace

TEST_CASE("each status of a predictor has its code, and only some end the worker") {
  const auto check = [](const std::string& mode, const std::string& code, const std::string& message,
                        bool healthy) {
    const Answer answer = answer_to(mode);
    CHECK(answer.status() == "failed");
    CHECK(answer.code() == code);
    CHECK(answer.done["message"] == message);
    CHECK(answer.done["healthy"] == healthy);
  };
  check("fail:no luck", "prediction_failed", "no luck", true);
  check("invalid:too blue", "input_refused", "too blue", true);
  check("unsupported", "engine_unsupported", "asked to lack an operator", true);
  check("mismatch", "engine_mismatch", "asked to be of another version", true);
  check("oom", "out_of_memory", "asked to run out of memory", false);
  check("device_error", "device_error", "asked for a device error", false);
  check("silent_fail", "prediction_failed", "the predictor failed without giving a reason", true);
  check("unknown_status", "prediction_failed", "the predictor returned an unknown status", true);
  check("no_such_mode", "input_refused", "the echo engine has no mode `no_such_mode`", true);
  CHECK(answer_to("fail").details == "mode of the echo engine");
}

TEST_CASE("what a predictor gives is checked, even if it says that all went well") {
  CHECK(answer_to("bad_json").code() == "prediction_failed");
  CHECK(answer_to("bad_text").done["message"] == "the predictor gave a text that is not UTF-8");
  CHECK(answer_to("bad_kind").done["message"] == "the predictor gave a value of kind 77");
  CHECK(answer_to("bad_tensor").done["message"] == "the predictor gave tensor `out.0` with a negative size");
  const Answer deaf = answer_to("deaf");
  CHECK(deaf.code() == "prediction_failed");
  CHECK(deaf.outputs.empty());
  CHECK(answer_to("metric:bad name").code() == "prediction_failed");
  CHECK(answer_to("metric:tokens:12").metrics.at("tokens") == 12);
}

TEST_CASE("many outputs, large ones and many log lines all arrive") {
  CHECK(answer_to("many_outputs:2000").outputs.size() == 2000);
  const Answer large = answer_to("huge_output:5000000");
  CHECK(large.status() == "succeeded");
  CHECK(large.text().size() == 5'000'000);
  const Answer flood = answer_to("log_flood:500");
  CHECK(flood.status() == "succeeded");
  CHECK(flood.logs.size() == 500);
  CHECK(flood.logs.back() == "line 499 of the flood");
}

TEST_CASE("streams, files and leaks are as ordered") {
  const Answer stream = answer_to("stream:3:1");
  CHECK(stream.text() == "chunk 0 chunk 1 chunk 2 ");
  CHECK(stream.outputs.size() == 3);
  const Answer file = answer_to("file:100000");
  CHECK(file.outputs.at(0)["media_type"] == "image/png");
  CHECK(file.outputs.at(0)["name"] == "echo.png");
  CHECK(file.text().substr(1, 3) == "PNG");
  CHECK(file.text().size() == 100'000);
  CHECK(answer_to("leak:64").done["peak_memory_bytes"].get<std::uint64_t>() > 64u << 20);
}

TEST_CASE("a worker that dies closes its socket, and its status says how") {
  const auto death = [](const std::string& mode) {
    WorkerProcess worker;
    worker.load(manifest_with());
    const Answer answer = worker.ask(Json{{"mode", mode}});
    CHECK(answer.done.is_null());
    CHECK(answer.lost.code == ErrorCode::worker_crashed);
    return worker.wait();
  };
  CHECK(WTERMSIG(death("crash")) == SIGSEGV);
  CHECK(WTERMSIG(death("abort")) == SIGABRT);
  CHECK(WTERMSIG(death("killed")) == SIGKILL);
  CHECK(WEXITSTATUS(death("exit:7")) == 7);
  const int status = death("exit0");
  CHECK(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 0);
}

TEST_CASE("garbage on the socket is seen as such") {
  const Answer answer = answer_to("garbage_frame");
  CHECK(answer.done.is_null());
  CHECK(answer.lost.code == ErrorCode::worker_protocol);
}

TEST_CASE("a worker that shuts its socket is gone for the daemon, whatever the process does") {
  CHECK(answer_to("close_socket").lost.code == ErrorCode::worker_crashed);
}

TEST_CASE("a hanging prediction ignores cancel and ends by SIGTERM, or by SIGKILL alone") {
  for (const auto& [mode, signal] : {std::pair{"hang", SIGTERM}, std::pair{"hang_hard", SIGKILL}}) {
    WorkerProcess worker;
    worker.load(manifest_with());
    worker.predict(1, Json{{"mode", mode}});
    worker.expect("started");
    worker.send(cancel_message(1));
    ::kill(worker.pid(), signal);
    CHECK(worker.answer(1).lost.code == ErrorCode::worker_crashed);
    CHECK(WTERMSIG(worker.wait()) == signal);
  }
}

TEST_CASE("a load fails with its code and ends the worker") {
  CHECK(load_failure("fail_load:no weights") ==
        Json{{"t", "load_failed"}, {"code", "load_failed"}, {"message", "no weights"}});
  CHECK(load_failure("unsupported_load")["code"] == "engine_unsupported");
  CHECK(load_failure("mismatch_load")["code"] == "engine_mismatch");
  CHECK(load_failure("oom_in_load")["code"] == "out_of_memory");
  CHECK(load_failure("device_error_in_load")["code"] == "device_error");
}

TEST_CASE("a worker that dies or hangs in its load is seen from outside") {
  for (const auto& [mode, signal] :
       {std::pair{"crash_in_load", SIGSEGV}, std::pair{"hang_in_load", SIGTERM}}) {
    WorkerProcess worker;
    worker.expect("hello");
    const TempFolder blobs;
    const UniqueFd folder = blobs.open();
    worker.send(load_message(false), canonical_json(model_spec(manifest_with(mode), Json::array())),
                {folder.get()});
    if (signal == SIGTERM) {
      while (worker.expect("phase").header["name"] != "build")
        continue;
      ::kill(worker.pid(), SIGTERM);
    }
    CHECK(WTERMSIG(worker.wait()) == signal);
  }
}

TEST_CASE("a spec that is not one fails the load") {
  const auto message = [](const Json& spec) {
    WorkerProcess worker;
    worker.expect("hello");
    const TempFolder blobs;
    const UniqueFd folder = blobs.open();
    worker.send(load_message(false), canonical_json(spec), {folder.get()});
    const Frame frame = worker.expect("load_failed");
    return frame.header["code"].get<std::string>() + ": " + frame.header["message"].get<std::string>();
  };
  Json spec = model_spec(manifest_with(), Json::array());
  CHECK(message(Json::array()) == "load_failed: the model spec is not of schema mrun.model_spec/v1");
  Json wrong = spec;
  wrong["schema"] = 7;
  CHECK(message(wrong) == "load_failed: the model spec is not of schema mrun.model_spec/v1");
  wrong = spec;
  wrong["manifest"] = "text";
  CHECK(message(wrong) == "load_failed: the model spec: `manifest` is not an object");
  wrong = spec;
  wrong["manifest"]["concurrency"] = 0;
  CHECK(message(wrong) == "load_failed: the model spec: `concurrency` is 0, 1 to 256 are allowed");
  wrong = spec;
  wrong["threads"] = 5000;
  CHECK(message(wrong) == "load_failed: the model spec: `threads` is 5000, 1 to 1024 are allowed");
  wrong = spec;
  wrong["manifest"]["pre"] = Json::array({{{"step", "no_such_step"}}});
  CHECK(message(wrong).starts_with("manifest_step: "));
  wrong = spec;
  wrong["files"] = Json::array({{{"path", "../etc/passwd"}, {"size", 0}, {"segments", Json::array()}}});
  CHECK(message(wrong).starts_with("path_refused: "));
}

TEST_CASE("an engine that can't be opened is told in place of hello") {
  const auto check = [](const std::string& engine, const std::string& code, const std::string& part) {
    WorkerProcess worker(engine);
    const Frame frame = worker.receive();
    CHECK(frame.type() == "load_failed");
    CHECK(frame.header["code"] == code);
    CHECK(frame.header["message"].get<std::string>().find(part) != std::string::npos);
    CHECK(WEXITSTATUS(worker.wait()) == 1);
  };
  check("/no/such/engine.so", "engine_missing", "/no/such/engine.so");
  check("/etc/hostname", "engine_missing", "/etc/hostname");
  check("libm.so.6", "load_failed", "exports no mrun_predictor_v1");
}

TEST_CASE("a command line that is not one ends with 2") {
  WorkerProcess worker(echo_engine(), "--wrong");
  CHECK(WEXITSTATUS(worker.wait()) == 2);
  CHECK(worker.output().find("usage: mrun-worker") != std::string::npos);
  WorkerProcess native("native", "--zygote");
  CHECK(WEXITSTATUS(native.wait()) == 2);
}

TEST_CASE("frames that the daemon may not send end the worker with 1") {
  const auto ends_with_1 = [](const Json& first, const Json& second = nullptr) {
    WorkerProcess worker;
    worker.load(manifest_with());
    worker.send(first, "{}");
    if (!second.is_null()) worker.send(second, "{}");
    const int status = worker.wait();
    return WIFEXITED(status) && WEXITSTATUS(status) == 1;
  };
  CHECK(ends_with_1(Json{{"t", "dance"}}));
  CHECK(ends_with_1(Json{{"t", "predict"}}));
  CHECK(ends_with_1(Json{{"t", "predict"}, {"id", 0}}));
  CHECK(ends_with_1(Json{{"t", "cancel"}, {"id", "x"}}));
  WorkerProcess early;
  early.expect("hello");
  early.send(cancel_message(1));
  CHECK(WEXITSTATUS(early.wait()) == 1);
  WorkerProcess twice;
  twice.load(manifest_with());
  twice.predict(1, Json{{"mode", "slow:600000"}});
  twice.expect("started");
  twice.predict(1, Json{{"text", "same id"}});
  CHECK(WEXITSTATUS(twice.wait()) == 1);
}

TEST_CASE("a worker whose daemon hangs up ends") {
  auto worker = std::make_unique<WorkerProcess>();
  worker->load(manifest_with());
  const UniqueFd pidfd(open_pidfd(worker->pid()));
  ::shutdown(worker->control(), SHUT_RDWR);
  CHECK(ends(pidfd.get()));
}

TEST_CASE("the worker dies with its parent, even while it hangs") {
  // A parent of its own for the worker: the control socket stays here, so that only the signal can end it.
  auto pair = frame_socketpair();
  REQUIRE(pair);
  const int parent = ::fork();
  if (parent == 0) {
    if (::fork() == 0) {
      ::dup2(pair->second.get(), 3);
      ::execl(MRUN_TEST_WORKER, MRUN_TEST_WORKER, "--engine", MRUN_TEST_ENGINES "/echo.so", nullptr);
      ::_exit(127);
    }
    for (;;)
      ::pause();
  }
  pair->second.reset();
  WorkerProcess worker(std::move(pair->first), UniqueFd(), -1);
  const TempFolder blobs;
  const Frame hello = worker.expect("hello");
  const UniqueFd folder = blobs.open();
  worker.send(load_message(false), canonical_json(model_spec(manifest_with(), Json::array())),
              {folder.get()});
  worker.expect("loaded");
  worker.predict(1, Json{{"mode", "hang_hard"}});
  worker.expect("started");
  const UniqueFd pidfd(open_pidfd(hello.header["pid"].get<int>()));
  REQUIRE(pidfd);
  ::kill(parent, SIGKILL);
  ::waitpid(parent, nullptr, 0);
  CHECK(ends(pidfd.get()));
}

TEST_CASE("children of a model are in the worker's session and end with its group") {
  WorkerProcess worker;
  worker.load(manifest_with());
  CHECK(worker.ask(Json{{"mode", "fork_children:2"}}).status() == "succeeded");
  ::kill(-worker.pid(), SIGKILL); // the worker leads its own group
  worker.wait();
  CHECK_FALSE(worker.try_receive()); // closed for good: nobody else holds the socket
}
