// Event streams of both dialects: their bytes, resuming, slow readers, leaving.
#include <doctest/doctest.h>

#include "daemon/tests/http_harness.h"

using namespace mrun;
using namespace std::chrono_literals;

namespace {

const std::string k_id = FakeService::k_id;
const std::string k_replicate = "/v1/predictions/" + k_id + "/stream";
const std::string k_ours = "/mrun/v1/predictions/" + k_id + "/events";

void play(FakeService& service) {
  service.add(k_id);
  service.emit(k_id, EventType::queued, {{"id", k_id}});
  service.emit(k_id, EventType::phase, {{"phase", "spawn"}});
  service.emit(k_id, EventType::started, {{"at", "now"}});
  service.emit(k_id, EventType::output, {{"value", "Once upon\na time"}});
  service.emit(k_id, EventType::output, {{"value", {1, 2}}});
  service.emit(k_id, EventType::output,
               {{"value", file_mark_json({.index = 2,
                                          .media_type = "image/png",
                                          .name = "x.png",
                                          .size_bytes = 5,
                                          .digest = "sha256:" + std::string(64, 'a')})}});
  service.emit(k_id, EventType::log, {{"text", "a log line"}, {"level", "info"}});
  service.emit(k_id, EventType::metric, {{"name", "tokens"}, {"value", 3}});
}

} // namespace

TEST_CASE("Replicate's stream, byte by byte") {
  HttpHarness harness;
  play(harness.service);
  harness.service.end(k_id, PredictionStatus::succeeded, "Once upon\na time");
  auto client = harness.connect();
  const Answer answer = client.ask(HttpHarness::get(k_replicate, "Accept: text/event-stream\r\n"));
  CHECK(answer.head == "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n"
                       "Cache-Control: no-store\r\nMrun-Build: test-build\r\n\r\n");
  CHECK(answer.body == "event: output\nid: 1700000002:4\ndata: Once upon\ndata: a time\n\n"
                       "event: output\nid: 1700000002:5\ndata: [1,2]\n\n"
                       "event: output\nid: 1700000002:6\ndata: http://localhost/mrun/v1/predictions/" +
                           k_id +
                           "/outputs/2\n\n"
                           "event: logs\nid: 1700000002:7\ndata: a log line\n\n"
                           "event: done\nid: 1700000002:9\ndata: {}\n\n");
  CHECK(client.ask(HttpHarness::get("/healthz")).status == 200); // the connection lives on
}

TEST_CASE("Replicate's ends") {
  HttpHarness harness;
  harness.service.add(k_id);
  SUBCASE("failed") {
    harness.service.end(k_id, PredictionStatus::failed, nullptr,
                        fail(ErrorCode::prediction_failed, "no").value());
    CHECK(harness.ask(HttpHarness::get(k_replicate)).body ==
          "event: error\nid: 1700000002:0\ndata: {\"detail\":\"M1401: no\"}\n\n"
          "event: done\nid: 1700000002:1\ndata: {\"reason\":\"error\"}\n\n");
  }
  SUBCASE("canceled") {
    harness.service.end(k_id, PredictionStatus::canceled);
    CHECK(harness.ask(HttpHarness::get(k_replicate)).body ==
          "event: done\nid: 1700000002:1\ndata: {\"reason\":\"canceled\"}\n\n");
  }
  SUBCASE("aborted") {
    harness.service.end(k_id, PredictionStatus::aborted);
    CHECK(harness.ask(HttpHarness::get(k_replicate)).body ==
          "event: done\nid: 1700000002:1\ndata: {\"reason\":\"canceled\"}\n\n");
  }
}

TEST_CASE("a stream whose events can't be recorded ends with the reason") {
  HttpHarness harness;
  const Error full = fail(ErrorCode::disk_full, "the disk is full").value();
  SUBCASE("ours, and its prediction is abandoned") {
    auto client = harness.connect();
    client.send(HttpHarness::post("/mrun/v1/predictions", R"({"version":"demo/echo","input":{}})",
                                  "Accept: text/event-stream\r\n"));
    REQUIRE(harness.run_until([&] { return harness.service.follows == 1; }));
    harness.service.emit(k_id, EventType::queued, {{"id", k_id}});
    harness.service.broken(full);
    const Answer answer = client.read();
    CHECK(answer.complete);
    const std::size_t at = answer.body.find("event: error\nid: 1\ndata: ");
    REQUIRE(at != std::string::npos);
    const Json problem = Json::parse(answer.body.substr(at + 25));
    CHECK(problem["code"] == "M1207");
    CHECK(problem["detail"] == "the disk is full");
    CHECK(harness.service.abandoned == std::vector<std::string>{k_id});
  }
  SUBCASE("Replicate's") {
    harness.service.add(k_id);
    auto client = harness.connect();
    client.send(HttpHarness::get(k_replicate));
    REQUIRE(harness.run_until([&] { return harness.service.follows == 1; }));
    harness.service.broken(full);
    CHECK(client.read().body == "event: error\nid: 0:0\ndata: {\"detail\":\"M1207: the disk is full\"}\n\n"
                                "event: done\nid: 0:0\ndata: {\"reason\":\"error\"}\n\n");
    CHECK(harness.service.abandoned.empty());
  }
}

TEST_CASE("our stream, byte by byte, in one round trip") {
  HttpHarness harness;
  auto client = harness.connect();
  client.send(HttpHarness::post("/mrun/v1/predictions",
                                R"({"version":"demo/echo","input":{},"device":"cpu"})",
                                "Accept: text/event-stream\r\n"));
  REQUIRE(harness.run_until([&] { return harness.service.follows == 1; }));
  CHECK(harness.service.created.at(0).device == "cpu");
  CHECK_FALSE(harness.service.created.at(0).durable_first);
  harness.service.emit(k_id, EventType::queued, {{"id", k_id}});
  harness.service.emit(k_id, EventType::output, {{"value", "a\nb"}});
  harness.service.items.at(k_id).prediction.last_log_lines = {"boom"};
  harness.service.items.at(k_id).prediction.log_path = "/l";
  harness.service.end(k_id, PredictionStatus::failed, nullptr,
                      fail(ErrorCode::worker_crashed, "died").value());
  const Answer answer = client.read();
  CHECK(answer.complete);
  const std::size_t done = answer.body.find("event: done\nid: 3\ndata: ");
  REQUIRE(done != std::string::npos);
  CHECK(answer.body.substr(0, done) == "event: queued\nid: 1\ndata: {\"id\":\"" + k_id +
                                           "\"}\n\n"
                                           "event: output\nid: 2\ndata: {\"value\":\"a\\nb\"}\n\n");
  const Json object = Json::parse(answer.body.substr(done + 24));
  CHECK(object["status"] == "failed");
  CHECK(object["error"] == "M1402: died");
  CHECK(object["urls"]["get"] == "http://localhost/v1/predictions/" + k_id);
  CHECK(object["mrun"]["class"] == "worker_crashed");
  CHECK(object["mrun"]["log_path"] == "/l");
  CHECK(object["mrun"]["last_log_lines"][0] == "boom");
  CHECK(harness.service.abandoned.empty());
  CHECK(client.ask(HttpHarness::get("/healthz")).status == 200);
}

TEST_CASE("without the Accept header our create answers with JSON") {
  HttpHarness harness;
  CHECK(
      harness.ask(HttpHarness::post("/mrun/v1/predictions", R"({"version":"demo/echo"})")).json()["status"] ==
      "starting");
}

TEST_CASE("a refused prediction is a problem object, not a stream") {
  HttpHarness harness;
  harness.service.refuse = fail(ErrorCode::input_missing, "`text` is missing").value();
  const Answer answer = harness.ask(HttpHarness::post("/mrun/v1/predictions", R"({"version":"demo/echo"})",
                                                      "Accept: text/event-stream\r\n"));
  CHECK(answer.status == 422);
  CHECK(answer.json()["class"] == "input_missing");
}

TEST_CASE("resuming behind an event") {
  HttpHarness harness;
  play(harness.service);
  harness.service.end(k_id, PredictionStatus::succeeded);
  CHECK(harness.ask(HttpHarness::get(k_replicate, "Last-Event-ID: 1700000002:6\r\n")).body ==
        "event: logs\nid: 1700000002:7\ndata: a log line\n\nevent: done\nid: 1700000002:9\ndata: {}\n\n");
  const std::string ours = harness.ask(HttpHarness::get(k_ours, "Last-Event-ID: 8\r\n")).body;
  CHECK(ours.starts_with("event: done\nid: 9\n"));
  CHECK(harness.ask(HttpHarness::get(k_ours)).body.starts_with("event: queued\nid: 1\n"));
}

TEST_CASE("unknown predictions have no stream") {
  HttpHarness harness;
  for (const char* path :
       {"/v1/predictions/x/stream", "/mrun/v1/predictions/x/events", "/mrun/v1/predictions/x/logs"})
    CHECK(harness.ask(HttpHarness::get(path)).status == 404);
}

TEST_CASE("HTTP/1.0 gets the stream without chunks, and the end by closing") {
  HttpHarness harness;
  harness.service.add(k_id);
  harness.service.end(k_id, PredictionStatus::succeeded);
  auto client = harness.connect();
  client.send("GET " + k_replicate + " HTTP/1.0\r\n\r\n");
  CHECK(client.read_to_end().ends_with("\r\n\r\nevent: done\nid: 1700000002:1\ndata: {}\n\n"));
}

TEST_CASE("a quiet stream is kept awake") {
  HttpLimits limits;
  limits.sweep_period = 5ms;
  limits.keep_alive_comment = 10ms;
  HttpHarness harness(limits);
  harness.service.add(k_id);
  auto client = harness.connect();
  client.send(HttpHarness::get(k_replicate));
  CHECK(client.read_until("3\r\n:\n\n\r\n3\r\n:\n\n\r\n"));
}

TEST_CASE("a caller that leaves a stream: create cancels, follow does not") {
  HttpHarness harness;
  auto client = harness.connect();
  SUBCASE("create") {
    client.send(HttpHarness::post("/mrun/v1/predictions", R"({"version":"demo/echo"})",
                                  "Accept: text/event-stream\r\n"));
    REQUIRE(harness.run_until([&] { return harness.service.follows == 1; }));
    harness.service.emit(k_id, EventType::queued, {{"id", k_id}});
    REQUIRE(client.read_until("event: queued"));
    client.close();
    CHECK(harness.run_until([&] { return !harness.service.abandoned.empty(); }));
  }
  SUBCASE("create, before it was accepted") {
    harness.service.hold_create = true;
    client.send(HttpHarness::post("/mrun/v1/predictions", R"({"version":"demo/echo"})",
                                  "Accept: text/event-stream\r\n"));
    REQUIRE(harness.run_until([&] { return harness.service.held != nullptr; }));
    client.close();
    REQUIRE(harness.run_until([&] { return harness.server->connections() == 0; }));
    std::exchange(harness.service.held, nullptr)(harness.service.items.at(k_id).prediction);
    CHECK(harness.service.abandoned.size() == 1);
    CHECK(harness.service.follows == 0);
  }
  SUBCASE("follow") {
    harness.service.add(k_id);
    client.send(HttpHarness::get(k_ours));
    REQUIRE(harness.run_until([&] { return harness.service.follows == 1; }));
    client.close();
    REQUIRE(harness.run_until([&] { return harness.server->connections() == 0; }));
    CHECK(harness.service.abandoned.empty());
  }
  CHECK((harness.service.items.empty() ||
         harness.service.items.at(k_id).followers.empty())); // nobody listens any more
  if (harness.service.items.contains(k_id))
    harness.service.emit(k_id, EventType::output, {{"value", "to nobody"}});
}

TEST_CASE("a slow reader gets every event once, and costs no memory while it reads") {
  HttpHarness harness;
  harness.service.add(k_id);
  constexpr std::size_t k_events = 2000;
  const std::string text(4096, 'x');
  for (std::size_t i = 0; i < k_events; ++i)
    harness.service.emit(k_id, EventType::output, {{"value", text}});
  harness.service.end(k_id, PredictionStatus::succeeded);
  auto client = harness.connect();
  client.send(HttpHarness::get(k_ours)); // 8 MiB against 256 KiB of room
  REQUIRE(harness.run_until([&] { return harness.service.follows == 1; }));
  const Answer answer = client.read();
  CHECK(answer.complete);
  std::size_t position = 0;
  for (std::size_t i = 1; i <= k_events; ++i) {
    const std::string id = "\nid: " + std::to_string(i) + "\n";
    position = answer.body.find(id, position);
    REQUIRE(position != std::string::npos);
  }
  CHECK(answer.body.find("event: done", position) != std::string::npos);
  CHECK(harness.service.follows > 5); // it paused and read on from the list
  CHECK(answer.body.size() < k_events * (text.size() + 64) + 4096);
}

TEST_CASE("logs and outputs") {
  HttpHarness harness;
  harness.service.add(k_id).prediction.logs = "line 1\nline 2\n";
  const Answer logs = harness.ask(HttpHarness::get("/mrun/v1/predictions/" + k_id + "/logs"));
  CHECK(logs.header("Content-Type") == "text/plain; charset=utf-8");
  CHECK(logs.body == "line 1\nline 2\n");

  harness.service.file_bytes.clear();
  for (std::size_t i = 0; i < 1'500'000; ++i)
    harness.service.file_bytes += static_cast<char>('a' + i * i % 23);
  auto client = harness.connect();
  const Answer output = client.ask(HttpHarness::get("/mrun/v1/predictions/" + k_id + "/outputs/0"));
  CHECK(output.header("Content-Type") == "image/png");
  CHECK(output.header("Content-Length") == "1500000");
  CHECK((output.body == harness.service.file_bytes));
  CHECK(client.ask(HttpHarness::get("/healthz")).status == 200);
  for (const char* index : {"1", "x", "-1", "0x", "99999999999999999999999"})
    CHECK(harness.ask(HttpHarness::get("/mrun/v1/predictions/" + k_id + "/outputs/" + index)).status == 404);
  harness.service.file_bytes.clear();
  CHECK(harness.ask(HttpHarness::get("/mrun/v1/predictions/" + k_id + "/outputs/0")).body.empty());
}
