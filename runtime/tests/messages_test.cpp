// Golden bytes of every message of docs/formats/frames.md.
#include <doctest/doctest.h>

#include "runtime/messages.h"

using namespace mrun;

TEST_CASE("daemon to worker") {
  CHECK(canonical_json(load_message(true)) == R"({"fds":["blobs","cache"],"t":"load"})");
  CHECK(canonical_json(load_message(false)) == R"({"fds":["blobs"],"t":"load"})");
  CHECK(canonical_json(predict_message(7, 0)) == R"({"id":7,"t":"predict"})");
  CHECK(canonical_json(predict_message(7, 1)) == R"({"fds":["file"],"id":7,"t":"predict"})");
  CHECK(canonical_json(predict_message(7, 2)) == R"({"fds":["file","file"],"id":7,"t":"predict"})");
  CHECK(canonical_json(cancel_message(7)) == R"({"id":7,"t":"cancel"})");
  CHECK(canonical_json(exit_message()) == R"({"t":"exit"})");
}

TEST_CASE("worker to daemon") {
  CHECK(canonical_json(hello_message({41, "torch", "0.1.0 (torch 2.14.1)", 10, 20})) ==
        R"({"engine":"torch","import_end_ns":20,"import_start_ns":10,"pid":41,"protocol":1,"t":"hello",)"
        R"j("version":"0.1.0 (torch 2.14.1)"})j");
  CHECK(canonical_json(phase_message("map", 30)) == R"({"at_ns":30,"name":"map","t":"phase"})");
  Phases phases;
  phases[Phase::map] = 1;
  phases[Phase::build] = 2;
  CHECK(canonical_json(loaded_message(phases, 4096)) ==
        R"({"memory_bytes":4096,"phases":{"build":2,"map":1},"t":"loaded"})");
  CHECK(canonical_json(load_failed_message("engine_unsupported", "no such operator")) ==
        R"({"code":"engine_unsupported","message":"no such operator","t":"load_failed"})");
  CHECK(canonical_json(started_message(7, 40)) == R"({"at_ns":40,"id":7,"t":"started"})");
  CHECK(canonical_json(log_message(0, "warn")) == R"({"id":0,"level":"warn","t":"log"})");
  CHECK(canonical_json(output_message(7, "json")) == R"({"id":7,"kind":"json","t":"output"})");
  CHECK(canonical_json(output_file_message(7, "image/png", "out.png")) ==
        R"({"id":7,"kind":"file","media_type":"image/png","name":"out.png","t":"output"})");
  CHECK(canonical_json(metric_message(7, "tokens", 3.5)) ==
        R"({"id":7,"name":"tokens","t":"metric","value":3.5})");
}

TEST_CASE("done, in its three forms") {
  const auto done = [](std::string status, std::string code, std::string message, bool healthy) {
    return canonical_json(
        done_message({7, std::move(status), std::move(code), std::move(message), 5, 6, 512, 2, healthy}));
  };
  CHECK(done("succeeded", "", "", true) ==
        R"({"healthy":true,"id":7,"major_faults":2,"peak_memory_bytes":6,"phases":{"predict":5},)"
        R"("read_bytes":512,"status":"succeeded","t":"done"})");
  CHECK(done("failed", "device_error", "the GPU fell off", false) ==
        R"({"code":"device_error","healthy":false,"id":7,"major_faults":2,"message":"the GPU fell off",)"
        R"("peak_memory_bytes":6,"phases":{"predict":5},"read_bytes":512,"status":"failed","t":"done"})");
  CHECK(
      done("canceled", "cancelled", "stopped", true) ==
      R"({"code":"cancelled","healthy":true,"id":7,"major_faults":2,"message":"stopped","peak_memory_bytes":6,)"
      R"("phases":{"predict":5},"read_bytes":512,"status":"canceled","t":"done"})");
}

TEST_CASE("zygote") {
  CHECK(canonical_json(fork_message(3)) == R"({"fds":["control","output"],"seq":3,"t":"fork"})");
  CHECK(canonical_json(forked_message(3, 99)) == R"({"fds":["pidfd"],"pid":99,"seq":3,"t":"forked"})");
  CHECK(canonical_json(fork_failed_message(3, "two threads")) ==
        R"({"message":"two threads","seq":3,"t":"fork_failed"})");
  CHECK(canonical_json(reaped_exit_message(99, 1)) == R"({"exit_code":1,"pid":99,"t":"reaped"})");
  CHECK(canonical_json(reaped_signal_message(99, 9)) == R"({"pid":99,"signal":9,"t":"reaped"})");
}
