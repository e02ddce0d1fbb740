// mrun-worker over a real socketpair: load, predict, files, steps, cancel, exit.
#include <doctest/doctest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runtime/messages.h"
#include "runtime/tests/worker_process.h"

using namespace mrun;
using namespace mrun::test;

namespace {

Json echo_manifest(const std::string& output = "any") {
  return Json{{"name", "test/echo"}, {"engine", "echo"}, {"output", {{"type", output}}}, {"concurrency", 1}};
}

std::string slurp(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

} // namespace

TEST_CASE("a worker says hello, loads, answers and exits") {
  WorkerProcess worker;
  const Frame hello = worker.expect("hello");
  CHECK(hello.header["protocol"] == 1);
  CHECK(hello.header["pid"] == worker.pid());
  CHECK(hello.header["engine"] == "echo");
  CHECK(hello.header["import_start_ns"].get<std::int64_t>() <=
        hello.header["import_end_ns"].get<std::int64_t>());
  const TempFolder blobs;
  const UniqueFd folder = blobs.open();
  worker.send(load_message(true), canonical_json(model_spec(echo_manifest(), Json::array())),
              {folder.get(), folder.get()});
  CHECK(worker.receive().header["name"] == "map");
  CHECK(worker.receive().header["name"] == "build");
  const Frame loaded = worker.expect("loaded");
  CHECK(loaded.header["memory_bytes"].get<std::uint64_t>() > 0);
  CHECK(loaded.header["phases"].contains("build"));

  worker.predict(1, Json{{"text", "grüß dich"}, {"n", 3}});
  const Frame started = worker.receive();
  CHECK(started.type() == "started");
  CHECK(started.header["at_ns"].get<std::int64_t>() > 0);
  const Answer answer = worker.answer(1);
  CHECK(answer.text() == R"({"n":3,"text":"grüß dich"})");
  CHECK(answer.status() == "succeeded");
  CHECK(answer.done["healthy"] == true);
  CHECK(answer.done["peak_memory_bytes"].get<std::uint64_t>() > 0);
  CHECK(answer.done["phases"]["predict"].get<std::int64_t>() > 0);
  worker.send(exit_message());
  CHECK(worker.wait() == 0);
}

TEST_CASE("the output's type decides what comes back") {
  WorkerProcess text;
  text.load(echo_manifest("string"));
  const Answer said = text.ask(Json{{"n", 1}, {"text", "hi"}});
  CHECK(said.outputs.at(0)["kind"] == "text");
  CHECK(said.text() == "hi");
  WorkerProcess number;
  number.load(echo_manifest("number"));
  CHECK(number.ask(Json{{"n", 1.5}}).text() == "1.5");
}

TEST_CASE("input files come as descriptors, large values as memory files") {
  WorkerProcess worker;
  Json manifest = echo_manifest("file");
  manifest["inputs"] = Json::array({{{"name", "image"}, {"type", "file"}}});
  worker.load(manifest);
  const std::string bytes(300'000, 'z');
  const UniqueFd file = [&] { return *sealed_memfd("cat", bytes); }();
  const Json marker{{"$file", 0}, {"name", "cat.png"}, {"media_type", "image/png"}, {"size", bytes.size()}};
  const Answer answer = worker.ask(Json{{"image", marker}}, {file.get()});
  CHECK(answer.outputs.at(0)["kind"] == "file");
  CHECK(answer.outputs.at(0)["name"] == "cat.png");
  CHECK(answer.text() == bytes);

  Json wrong = marker;
  wrong["size"] = 5;
  CHECK(worker.ask(Json{{"image", wrong}}, {file.get()}).code() == "input_file");
  wrong["$file"] = 3;
  CHECK(worker.ask(Json{{"image", wrong}}, {file.get()}).code() == "worker_protocol");
  const UniqueFd folder(::open("/tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  CHECK(worker.ask(Json{{"image", marker}}, {folder.get()}).code() == "input_file");
  CHECK(worker.ask(Json{{"image", Json{{"$file", "x"}}}}, {file.get()}).code() == "worker_protocol");
  CHECK(worker.ask(Json::array()).code() == "worker_protocol");
  CHECK(worker.ask(Json{{"image", marker}}, {file.get()}).status() == "succeeded");
}

TEST_CASE("files in a list have the names of their places") {
  WorkerProcess worker;
  Json manifest = echo_manifest();
  manifest["inputs"] = Json::array({{{"name", "images"}, {"type", "array"}, {"items", {{"type", "file"}}}}});
  worker.load(manifest);
  const UniqueFd a = [] { return *sealed_memfd("a", "one"); }();
  const UniqueFd b = [] { return *sealed_memfd("b", "three"); }();
  const Json input{
      {"images", {{{"$file", 0}, {"name", "a"}, {"size", 3}}, {{"$file", 1}, {"name", "b"}, {"size", 5}}}}};
  const Json answer = Json::parse(worker.ask(input, {a.get(), b.get()}).text());
  CHECK(answer["images.0"] == Json{{"name", "a"}, {"size", 3}});
  CHECK(answer["images.1"] == Json{{"name", "b"}, {"size", 5}});
}

TEST_CASE("what looks like a file in an input of another type is the caller's JSON") {
  WorkerProcess worker;
  Json manifest = echo_manifest();
  manifest["inputs"] = Json::array({{{"name", "data"}, {"type", "any"}},
                                    {{"name", "options"}, {"type", "object"}},
                                    {{"name", "list"}, {"type", "array"}, {"items", {{"type", "object"}}}},
                                    {{"name", "image"}, {"type", "file"}, {"optional", true}}});
  worker.load(manifest);
  const Json input{{"data", {{"$file", 0}}},
                   {"options", {{"$file", "x"}, {"size", -1}}},
                   {"list", Json::array({Json{{"$file", 7}}})},
                   {"image", nullptr}};
  const Answer alone = worker.ask(input);
  CHECK(alone.status() == "succeeded");
  CHECK(Json::parse(alone.text()) == input);

  const UniqueFd file = [] { return *sealed_memfd("cat", "meow"); }();
  Json both = input;
  both["image"] = {{"$file", 0}, {"name", "cat.png"}, {"size", 4}};
  const Json answer = Json::parse(worker.ask(both, {file.get()}).text());
  CHECK(answer["data"] == Json{{"$file", 0}});
  CHECK(answer["image"] == Json{{"name", "cat.png"}, {"size", 4}});
}

TEST_CASE("steps run before and after; tensors become JSON that round-trips") {
  Json manifest = echo_manifest("array");
  manifest["inputs"] = Json::array({{{"name", "values"}, {"type", "array"}}});
  manifest["pre"] =
      Json::array({{{"step", "from_json"}, {"from", "values"}, {"dtype", "f32"}, {"to", "in.x"}}});
  WorkerProcess plain;
  const Frame loaded = plain.load(manifest);
  REQUIRE_MESSAGE(loaded.type() == "loaded", canonical_json(loaded.header));
  CHECK(plain.ask(Json{{"values", {0.1, 2, 1e-7}}}).text() == "[0.1,2.0,1e-07]");

  manifest["output"]["type"] = "object";
  WorkerProcess object;
  object.load(manifest);
  CHECK(object.ask(Json{{"values", {0.5}}}).text() == R"({"x":[0.5]})");

  manifest["post"] = Json::array({{{"step", "to_json"}, {"from", "out.x"}, {"to", "output"}}});
  WorkerProcess post;
  post.load(manifest);
  CHECK(post.ask(Json{{"values", {0.1, 0.2}}}).text() == "[0.1,0.2]");
  const Answer failed = post.ask(Json{{"values", "text"}});
  CHECK(failed.status() == "failed");
  CHECK(failed.details.find("in step 1 (from_json)") != std::string::npos);

  manifest["post"] = Json::array({{{"step", "to_json"}, {"from", "out.x"}, {"to", "elsewhere"}}});
  WorkerProcess none;
  none.load(manifest);
  CHECK(none.ask(Json{{"values", {1}}}).code() == "prediction_failed");
}

TEST_CASE("warm-up inputs run before `loaded`, defaults and bundle files included") {
  TempFolder blobs;
  const std::string name = blobs.add_blob("hello");
  const Json segment{{"blob", name}, {"offset", 0}, {"length", 5}};
  const Json files = Json::array({{{"path", "a.txt"}, {"mode", 420}, {"size", 5}, {"segments", {segment}}}});
  Json manifest = echo_manifest();
  manifest["inputs"] = Json::array(
      {{{"name", "file"}, {"type", "file"}}, {{"name", "n"}, {"type", "integer"}, {"default", 4}}});
  manifest["warmup"] = Json::array({{{"file", "@a.txt"}}});
  WorkerProcess good;
  const Frame loaded = good.load(manifest, blobs, files);
  CHECK(loaded.type() == "loaded");
  CHECK(loaded.header["phases"].contains("warmup"));

  manifest["warmup"] = Json::array({{{"file", "@b.txt"}}});
  WorkerProcess missing;
  CHECK(missing.load(manifest, blobs, files).header["message"] == "the bundle has no warm-up file `@b.txt`");
  manifest["warmup"] = Json::array({{{"mode", "fail:too cold"}}});
  WorkerProcess failing;
  const Frame failed = failing.load(manifest, blobs, files);
  CHECK(failed.type() == "load_failed");
  CHECK(failed.header["message"] == "too cold");
  CHECK(std::string(failed.payload()).find("warm-up input 1") != std::string::npos);
}

TEST_CASE("a slow prediction is canceled, and the worker is still good") {
  WorkerProcess worker;
  worker.load(echo_manifest());
  worker.predict(5, Json{{"mode", "slow"}, {"ms", 600'000}});
  worker.expect("started");
  worker.send(cancel_message(5));
  const Answer answer = worker.answer(5);
  CHECK(answer.status() == "canceled");
  CHECK(answer.code() == "cancelled");
  CHECK(answer.done["healthy"] == true);
  worker.send(cancel_message(5)); // it has ended: ignored
  worker.send(cancel_message(99));
  CHECK(worker.ask(Json{{"text", "x"}}).status() == "succeeded");
}

TEST_CASE("predictions run at once up to the concurrency; what is beyond waits its turn") {
  Json manifest = echo_manifest();
  manifest["concurrency"] = 2;
  WorkerProcess worker;
  worker.load(manifest);
  for (const std::uint64_t id : {1, 2})
    worker.predict(id, Json{{"mode", "slow:600000"}});
  worker.expect("started");
  worker.expect("started");
  worker.predict(3, Json{{"text", "third"}}); // both threads are busy: the helper reads it
  worker.predict(4, Json{{"text", "fourth"}});
  worker.send(cancel_message(2));
  CHECK(worker.answer(2).status() == "canceled");
  CHECK(worker.answer(3).status() == "succeeded");
  CHECK(worker.answer(4).status() == "succeeded");
  worker.send(cancel_message(1));
  CHECK(worker.answer(1).status() == "canceled");
  CHECK(worker.ask(Json{{"text", "again"}}).status() == "succeeded");
}

TEST_CASE("a thousand predictions, five at a time, are each answered once") {
  Json manifest = echo_manifest();
  manifest["concurrency"] = 3;
  WorkerProcess worker;
  worker.load(manifest);
  constexpr std::uint64_t k_count = 1000, k_window = 5;
  std::vector<int> done(k_count + 1, 0);
  std::uint64_t sent = 0, finished = 0;
  while (finished < k_count) {
    while (sent < k_count && sent - finished < k_window)
      worker.predict(++sent, Json{{"n", sent}});
    const Frame frame = worker.receive();
    if (frame.type() == "done") {
      ++finished;
      ++done.at(frame.header["id"].get<std::size_t>());
    }
  }
  CHECK(std::count(done.begin() + 1, done.end(), 1) == k_count);
}

TEST_CASE("exit cancels what runs, answers it, unloads and ends with 0") {
  WorkerProcess worker;
  worker.load(echo_manifest());
  worker.predict(1, Json{{"mode", "slow:600000"}});
  worker.expect("started");
  worker.predict(2, Json{{"text", "waits"}});
  worker.send(exit_message());
  CHECK(worker.answer(1).status() == "canceled");
  CHECK(worker.wait() == 0);
}

TEST_CASE("a predictor that finishes later is answered on its own thread") {
  WorkerProcess worker(later_engine());
  Json manifest = echo_manifest();
  manifest["concurrency"] = 8;
  manifest["warmup"] = Json::array({Json::object()});
  REQUIRE(worker.load(manifest).type() == "loaded");
  for (std::uint64_t id = 1; id <= 20; ++id)
    worker.predict(id, Json{{"n", id}});
  std::vector<int> done(21, 0);
  for (int finished = 0; finished < 20;) {
    const Frame frame = worker.receive();
    if (frame.type() != "done") continue;
    ++finished;
    ++done.at(frame.header["id"].get<std::size_t>());
    CHECK(frame.header["status"] == "succeeded");
  }
  CHECK(std::count(done.begin() + 1, done.end(), 1) == 20);
  worker.predict(21, Json{{"refuse", true}});
  CHECK(worker.answer(21).code() == "prediction_failed");
  worker.predict(22, Json{{"twice", true}});
  CHECK(worker.answer(22).status() == "succeeded");
  worker.send(exit_message());
  CHECK(worker.wait() == 0);
}

TEST_CASE("a bundle's own module is opened through the file door") {
  TempFolder blobs;
  const std::string module = slurp(echo_engine());
  const std::string first = blobs.add_blob(module.substr(0, 5000)),
                    rest = blobs.add_blob(module.substr(5000));
  const Json segments{{{"blob", first}, {"offset", 0}, {"length", 5000}},
                      {{"blob", rest}, {"offset", 0}, {"length", module.size() - 5000}}};
  const Json files = Json::array(
      {{{"path", "predictor.so"}, {"mode", 493}, {"size", module.size()}, {"segments", segments}}});
  Json manifest = echo_manifest();
  manifest["model"] = "predictor.so";
  WorkerProcess worker("native");
  const Frame loaded = worker.load(manifest, blobs, files);
  REQUIRE_MESSAGE(loaded.type() == "loaded", canonical_json(loaded.header));
  CHECK(loaded.header["phases"].contains("import"));
  CHECK(worker.ask(Json{{"text", "x"}}).text() == R"({"text":"x"})");

  manifest["model"] = "other.so";
  WorkerProcess missing("native");
  CHECK(missing.load(manifest, blobs, files).header["code"] == "load_failed");
}

TEST_CASE("what a worker prints goes to its pipe, line by line") {
  WorkerProcess worker;
  worker.load(echo_manifest());
  CHECK(worker.ask(Json{{"mode", "stdout_noise:2"}}).status() == "succeeded");
  worker.ask(Json{{"mode", "exit:3"}}); // without flushing anything
  const int status = worker.wait();
  CHECK(WEXITSTATUS(status) == 3);
  const std::string printed = worker.output();
  CHECK(printed.find("noise 1 on stdout\n") != std::string::npos);
  CHECK(printed.find("noise 1 on stderr\n") != std::string::npos);
}

TEST_CASE("what a worker prints before it crashes is not lost") {
  WorkerProcess worker;
  worker.load(echo_manifest());
  CHECK(worker.ask(Json{{"mode", "noise_crash:3"}}).status().empty());
  const int status = worker.wait();
  CHECK(WTERMSIG(status) == SIGSEGV);
  const std::string printed = worker.output();
  CHECK(printed.find("last words 0 on stdout\n") != std::string::npos);
  CHECK(printed.find("last words 2 on stdout\nlast words 2 on stderr\n") != std::string::npos);
}

TEST_CASE("a worker has given up what it does not need") {
  const UniqueFd secret(::open("/etc/hostname", O_RDONLY)); // not close-on-exec
  WorkerProcess worker;
  worker.load(echo_manifest());
  const std::string proc = "/proc/" + std::to_string(worker.pid());
  CHECK(slurp(proc + "/status").find("NoNewPrivs:\t1") != std::string::npos);
  const std::string limits = slurp(proc + "/limits");
  const std::string core = limits.substr(limits.find("Max core file size"), 60);
  CHECK(core.find(" 0 ") != std::string::npos);
  rlimit files{};
  REQUIRE(::prlimit(worker.pid(), RLIMIT_NOFILE, nullptr, &files) == 0);
  CHECK(files.rlim_cur <= 4096);
  CHECK(files.rlim_max <= 4096);
  CHECK(std::stoi(slurp(proc + "/oom_score_adj")) >= 500);
  CHECK(::getsid(worker.pid()) == worker.pid());
  for (const auto& entry : std::filesystem::directory_iterator(proc + "/fd")) {
    std::error_code ignored;
    CHECK(std::filesystem::read_symlink(entry.path(), ignored) != "/etc/hostname");
  }
}
