// Replicate's predictions over HTTP: shapes, waiting, leaving, and what official clients would stumble over.
#include <doctest/doctest.h>

#include "daemon/tests/http_harness.h"

using namespace mrun;

namespace {

const std::string k_body = R"({"version":"demo/echo","input":{"text":"hi"}})";
const std::string k_self = std::string("/v1/predictions/") + FakeService::k_id;

std::string create(std::string_view headers = {}, std::string_view body = k_body) {
  return HttpHarness::post("/v1/predictions", body, headers);
}

} // namespace

TEST_CASE("a created prediction, byte by byte") {
  HttpHarness harness;
  const Answer answer = harness.ask(create());
  CHECK(answer.head == "HTTP/1.1 201 Created\r\n"
                       "Content-Type: application/json\r\n"
                       "Content-Length: " +
                           std::to_string(answer.body.size()) +
                           "\r\n"
                           "Cache-Control: no-store\r\n"
                           "Location: http://localhost/v1/predictions/0123456789abcdefghjkmnpqrs\r\n"
                           "Mrun-Build: test-build\r\n\r\n");
  CHECK(
      answer.body ==
      R"({"completed_at":null,"created_at":"2023-11-14T22:13:20.000000Z","data_removed":false,"error":null,)"
      R"("id":"0123456789abcdefghjkmnpqrs","input":{"text":"hi"},"logs":"","metrics":{},"model":"demo/echo",)"
      R"("output":null,"source":"api","started_at":null,"status":"starting","urls":{)"
      R"("cancel":"http://localhost/v1/predictions/0123456789abcdefghjkmnpqrs/cancel",)"
      R"("get":"http://localhost/v1/predictions/0123456789abcdefghjkmnpqrs",)"
      R"("stream":"http://localhost/v1/predictions/0123456789abcdefghjkmnpqrs/stream",)"
      R"("web":"http://localhost/predictions/0123456789abcdefghjkmnpqrs"},"version":")" +
          std::string(64, 'a') + "\"}");
  CHECK(harness.service.created.at(0).durable_first);
}

TEST_CASE("the base of the URLs is the caller's own host") {
  HttpHarness harness;
  const Answer answer = harness.ask("POST /v1/v1/predictions HTTP/1.1\r\nHost: box:8080\r\nContent-Type: "
                                    "application/json; charset=utf-8\r\nContent-Length: " +
                                    std::to_string(k_body.size()) + "\r\n\r\n" + k_body);
  CHECK(answer.json()["urls"]["get"] == "http://box:8080" + k_self);
}

TEST_CASE("Prefer: wait answers with the end") {
  HttpHarness harness;
  auto client = harness.connect();
  client.send(create("Prefer: wait=5\r\nCancel-After: 1m\r\n"));
  REQUIRE(harness.run_until([&] { return harness.service.items.contains(FakeService::k_id); }));
  CHECK_FALSE(harness.service.created.at(0).durable_first);
  CHECK(harness.service.created.at(0).cancel_after == std::chrono::minutes(1));
  harness.service.end(FakeService::k_id, PredictionStatus::succeeded, "hello");
  const Answer answer = client.read();
  CHECK(answer.status == 201);
  CHECK(answer.header("Preference-Applied") == "wait=5");
  CHECK(answer.json()["output"] == "hello");
  CHECK(answer.json()["status"] == "succeeded");
  CHECK(client.ask(HttpHarness::get("/healthz")).status == 200);
  CHECK(harness.service.abandoned.empty());
}

TEST_CASE("an answer is prepared before the end is committed, and sent only after") {
  HttpHarness harness;
  auto client = harness.connect();
  client.send(create("Prefer: wait=5\r\n"));
  REQUIRE(harness.run_until([&] { return harness.service.items.contains(FakeService::k_id); }));
  harness.service.know_end(FakeService::k_id, PredictionStatus::succeeded, "hello");
  // Another exchange goes through the same loop; nothing has reached the one who waits.
  CHECK(harness.ask(HttpHarness::get("/healthz")).status == 200);
  CHECK(client.received().empty());
  SUBCASE("committed") {
    harness.service.commit_end(FakeService::k_id);
    CHECK(client.read().json()["output"] == "hello");
  }
  SUBCASE("the commit failed") {
    harness.service.commit_end(FakeService::k_id, fail(ErrorCode::database, "the disk is gone"));
    const Answer answer = client.read();
    CHECK(answer.status == 500);
    CHECK(answer.body.find("hello") == std::string::npos);
  }
  CHECK(harness.service.abandoned.empty());
}

TEST_CASE("a wait that runs out says starting, whatever the state is") {
  HttpHarness harness;
  auto client = harness.connect();
  client.send(create("Prefer: wait=1\r\n"));
  REQUIRE(harness.run_until([&] { return harness.service.items.contains(FakeService::k_id); }));
  harness.service.items.at(FakeService::k_id).prediction.status = PredictionStatus::processing;
  harness.service.items.at(FakeService::k_id).prediction.output = "half";
  const Answer answer = client.read();
  CHECK(answer.status == 202);
  CHECK(answer.json()["status"] == "starting");
  CHECK(answer.json()["output"].is_null());
  CHECK(answer.header("Location") == "http://localhost" + k_self);
  CHECK(harness.service.made_durable == std::vector<std::string>{FakeService::k_id});
  client.close();
  REQUIRE(harness.run_until([&] { return harness.server->connections() == 0; }));
  CHECK(harness.service.abandoned.empty()); // it was promised to run on
}

TEST_CASE("a waiting caller that leaves abandons its prediction") {
  HttpHarness harness;
  SUBCASE("after it was accepted") {
    auto client = harness.connect();
    client.send(create("Prefer: wait\r\n"));
    REQUIRE(harness.run_until([&] { return harness.service.items.contains(FakeService::k_id); }));
    client.close();
  }
  SUBCASE("before") {
    harness.service.hold_create = true;
    auto client = harness.connect();
    client.send(create("Prefer: wait\r\n"));
    REQUIRE(harness.run_until([&] { return harness.service.held != nullptr; }));
    client.close();
    REQUIRE(harness.run_until([&] { return harness.server->connections() == 0; }));
    std::exchange(harness.service.held, nullptr)(harness.service.items.at(FakeService::k_id).prediction);
  }
  CHECK(harness.run_until([&] { return !harness.service.abandoned.empty(); }));
  CHECK(harness.service.abandoned == std::vector<std::string>{FakeService::k_id});
}

TEST_CASE("a caller that does not wait may leave") {
  HttpHarness harness;
  harness.service.hold_create = true;
  auto client = harness.connect();
  client.send(create());
  REQUIRE(harness.run_until([&] { return harness.service.held != nullptr; }));
  client.close();
  REQUIRE(harness.run_until([&] { return harness.server->connections() == 0; }));
  std::exchange(harness.service.held, nullptr)(harness.service.items.at(FakeService::k_id).prediction);
  CHECK(harness.service.abandoned.empty());
}

TEST_CASE("bodies that are refused, with their status and the nearest name") {
  struct Row {
    std::string body;
    int status;
    std::string part;
  };
  const Row rows[] = {
      {"", 422, "byte"},
      {"[]", 422, "not a JSON object"},
      {"{", 422, "byte"},
      {R"({"version":"a/b","version":"a/b"})", 422, "twice"},
      {R"({"input":{}})", 422, "`version` is missing"},
      {R"({"version":1,"input":{}})", 422, "`version` is not a string"},
      {R"({"version":"a/b","input":[]})", 422, "`input` is not an object"},
      {R"({"version":"a/b","inputs":{}})", 422, "did you mean `input`?"},
      {R"({"version":"a/b","device":"cpu"})", 422, "unknown member `device`"},
      {R"({"version":"a/b","stream":"yes"})", 422, "`stream` is not true or false"},
      {R"({"version":"a/b","webhook":"https://x.example"})", 422, "does not send webhooks"},
      {R"({"version":"a/b","webhook_completed":"https://x.example"})", 422, "does not send webhooks"},
      {R"({"version":"a/b","input":{"auth":"r8_secret","baseUrl":"x"}})", 422, "JavaScript client"},
      {std::string(70, '[') + std::string(70, ']'), 422, "levels deep"},
  };
  HttpHarness harness;
  for (const Row& row : rows) {
    CAPTURE(row.body);
    const Answer answer = harness.ask(create({}, row.body));
    CHECK(answer.status == row.status);
    CHECK(answer.header("Content-Type") == "application/problem+json");
    CHECK_MESSAGE(answer.body.find(row.part) != std::string::npos, answer.body);
    CHECK(answer.body.find("r8_secret") == std::string::npos);
  }
  CHECK(harness.service.created.empty());
  const Answer form = harness.ask("POST /v1/predictions HTTP/1.1\r\nHost: a\r\nContent-Type: text/plain\r\n"
                                  "Content-Length: 2\r\n\r\n{}");
  CHECK(form.status == 415);
  CHECK(harness.ask(create("Cancel-After: 1s\r\n")).status == 400);
}

TEST_CASE("what clients send beside is accepted") {
  HttpHarness harness;
  const Answer answer = harness.ask(create(
      {},
      R"({"version":"demo/echo","input":null,"stream":true,"webhook":null,"webhook_events_filter":["completed"]})"));
  CHECK(answer.status == 201);
  CHECK(harness.service.created.at(0).input == Json::object());
}

TEST_CASE("the path may name the model") {
  HttpHarness harness;
  CHECK(
      harness.ask(HttpHarness::post("/v1/models/acme/hello%2Dworld/predictions", R"({"input":{}})")).status ==
      201);
  CHECK(harness.service.created.at(0).version == "acme/hello-world");
  CHECK(harness.ask(HttpHarness::post("/v1/models/acme/x/predictions", R"({"version":"a/b","input":{}})"))
            .status == 422);
}

TEST_CASE("a full queue is 429 with Retry-After, never 409") {
  HttpHarness harness;
  harness.service.refuse = fail(ErrorCode::queue_full, "256 predictions wait for demo/echo already").value();
  for (const char* headers : {"", "Prefer: wait\r\n"}) {
    const Answer answer = harness.ask(create(headers));
    CHECK(answer.status == 429);
    CHECK(answer.header("Retry-After") == "1");
    CHECK(answer.json()["detail"] == "256 predictions wait for demo/echo already");
    CHECK(answer.json()["code"] == "M1504");
  }
}

TEST_CASE("get, cancel and pages") {
  HttpHarness harness;
  harness.service.add(FakeService::k_id);
  const Answer got = harness.ask(HttpHarness::get(k_self));
  CHECK(got.json()["id"] == FakeService::k_id);
  CHECK(got.header("Cache-Control") == "no-store");
  CHECK(harness.ask(HttpHarness::get("/v1/predictions/none")).status == 404);
  const Answer cancelled = harness.ask("POST " + k_self + "/cancel HTTP/1.1\r\nHost: localhost\r\n\r\n");
  CHECK(cancelled.json()["id"] == FakeService::k_id);
  CHECK(harness.service.cancelled.size() == 1);

  harness.service.items.at(FakeService::k_id).prediction.output =
      file_mark_json({.index = 0,
                      .media_type = "image/png",
                      .name = "x.png",
                      .size_bytes = 5,
                      .digest = "sha256:" + std::string(64, 'a')});
  const Json page = harness.ask(HttpHarness::get("/v1/predictions")).json();
  CHECK(page["results"].size() == 1);
  CHECK(page["results"][0]["output"] ==
        std::string("http://localhost/mrun/v1/predictions/") + FakeService::k_id + "/outputs/0");
  CHECK(page["next"] == "http://localhost/v1/predictions?cursor=c2");
  CHECK(page["previous"].is_null());
  CHECK(harness.ask(HttpHarness::get("/v1/predictions?cursor=c2")).json()["next"].is_null());
  CHECK(harness.ask(HttpHarness::get("/v1/predictions?source=web")).json()["results"].empty());
  CHECK(harness.ask(HttpHarness::get("/v1/predictions?created_after=2024")).status == 400);
}

TEST_CASE("aborted reads canceled to Replicate's clients, which would poll for ever") {
  HttpHarness harness;
  harness.service.add(FakeService::k_id).prediction.status = PredictionStatus::aborted;
  CHECK(harness.ask(HttpHarness::get(k_self)).json()["status"] == "canceled");
  CHECK(harness.ask(HttpHarness::get(std::string("/mrun") + k_self)).json()["status"] == "aborted");
}

TEST_CASE("models, versions, hardware, account") {
  HttpHarness harness;
  CHECK(harness.ask(HttpHarness::get("/v1/models")).body == R"({"next":null,"previous":null,"results":[]})");
  CHECK(harness.ask(HttpHarness::get("/v1/models/acme/x")).json()["name"] == "x");
  CHECK(harness.ask(HttpHarness::get("/v1/models/no/x")).status == 404);
  CHECK(harness.ask(HttpHarness::get("/v1/models/acme/x/versions")).json()["results"][0]["id"] == "v1");
  CHECK(harness.ask(HttpHarness::get("/v1/models/no/x/versions")).status == 404);
  CHECK(harness.ask(HttpHarness::get("/v1/models/acme/x/versions/v1")).json()["cog_version"].is_string());
  CHECK(harness.ask(HttpHarness::get("/v1/hardware")).json()[0]["sku"] == "cpu");
  CHECK(harness.ask(HttpHarness::get("/v1/account")).json()["name"] == "local");
}

TEST_CASE("a request that the service drops is answered all the same") {
  HttpHarness harness;
  harness.service.hold_create = true;
  auto client = harness.connect();
  client.send(create());
  REQUIRE(harness.run_until([&] { return harness.service.held != nullptr; }));
  harness.service.held = nullptr;
  const Answer answer = client.read();
  CHECK(answer.status == 500);
  CHECK(answer.json()["class"] == "internal");
  CHECK(client.ask(HttpHarness::get("/healthz")).status == 200);
}

TEST_CASE("our own list takes filters, and a plan a device and a number") {
  HttpHarness harness;
  const Answer page =
      harness.ask(HttpHarness::get("/mrun/v1/predictions?model=demo/echo&status=failed&limit=3"));
  CHECK(page.status == 200);
  CHECK(page.json()["schema"] == "mrun.predictions/v1");
  REQUIRE(harness.service.lists.size() == 1);
  CHECK(harness.service.lists[0].filter.model == "demo/echo");
  CHECK(harness.service.lists[0].limit == 3);
  const Answer refused = harness.ask(HttpHarness::get("/mrun/v1/predictions?stats=failed"));
  CHECK(refused.status == 400);
  CHECK(refused.json()["code"] == "M1901");

  const std::string of_version = "/mrun/v1/versions/" + std::string(64, 'a') + "/plan";
  CHECK(harness.ask(HttpHarness::get(of_version + "?device=cuda:1&predictions=5")).status == 200);
  REQUIRE(harness.service.plans.size() == 1);
  CHECK(harness.service.plans[0].device == "cuda:1");
  CHECK(harness.service.plans[0].count == 5);
  for (const char* bad : {"?predictions=0", "?predictions=x", "?predictions=", "?count=3", "?predictions=-1"})
    CHECK(harness.ask(HttpHarness::get(of_version + bad)).status == 400);
}
