// The door itself: what is refused, what survives, what is closed, and when.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>

#include "daemon/tests/http_harness.h"

using namespace mrun;
using namespace std::chrono_literals;

namespace {

HttpLimits quick() {
  HttpLimits limits;
  limits.sweep_period = 5ms;
  return limits;
}

const std::string k_health = HttpHarness::get("/healthz");

} // namespace

TEST_CASE("raw requests get their status, in one piece and byte by byte") {
  struct Row {
    std::string bytes;
    int status;
    bool stays_open;
  };
  const std::string host = "Host: localhost\r\n";
  const Row rows[] = {
      {k_health, 200, true},
      {"GET /healthz HTTP/1.1\r\n" + host + "Connection: close\r\n\r\n", 200, false},
      {"GET /healthz HTTP/1.0\r\n\r\n", 200, false},
      {"GET /healthz?a=%zz HTTP/1.1\r\n" + host + "\r\n", 400, true},
      {"GET /nowhere HTTP/1.1\r\n" + host + "\r\n", 404, true},
      {"GET /v1/predictions/%2e%2e%2fx HTTP/1.1\r\n" + host + "\r\n", 404, true},
      {"PUT /healthz HTTP/1.1\r\n" + host + "\r\n", 405, true},
      {"QUERY /v1/models HTTP/1.1\r\n" + host + "\r\n", 405, true},
      {"GET /healthz HTTP/1.1\n" + host + "\n", 400, false},
      {"GET /healthz HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n", 400, false},
      {"GET /healthz HTTP/1.1\r\n" + host + "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", 400,
       false},
      {"GET /healthz HTTP/1.1\r\n" + host + "Content-Length: 3\r\n\r\nabc", 413, false},
      {"GET /healthz HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n", 413,
       false},
      {"POST /mrun/v1/prepare HTTP/1.1\r\n" + host + "Content-Length: 70000\r\n\r\n", 413, false},
      {"POST /mrun/v1/prepare HTTP/1.1\r\n" + host +
           "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
       202, true},
      {"POST /mrun/v1/prepare HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nzz\r\n", 400, false},
      {"POST /mrun/v1/prepare HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n", 400,
       false},
      {"POST /mrun/v1/prepare HTTP/1.1\r\n" + host + "Expect: something\r\nContent-Length: 1\r\n\r\n", 400,
       false},
      {"GET /healthz HTTP/1.1\r\n" + host + "Origin: http://localhost\r\n\r\n", 200, true},
      {"GET /healthz HTTP/1.1\r\n" + host + "Origin: https://evil.example\r\n\r\n", 403, true},
      {"GET /healthz HTTP/1.1\r\n" + host + "Origin: null\r\n\r\n", 403, true},
      {"GET /healthz HTTP/1.1\r\n" + host + "Sec-Fetch-Site: cross-site\r\n\r\n", 403, true},
      {"GET /" + std::string(20'000, 'a') + " HTTP/1.1\r\n" + host + "\r\n", 413, false},
  };
  for (const Row& row : rows) {
    CAPTURE(row.bytes.substr(0, 120));
    HttpHarness harness;
    auto whole = harness.connect();
    const Answer answer = whole.ask(row.bytes);
    CHECK(answer.status == row.status);
    CHECK(answer.complete);
    CHECK(answer.header("Mrun-Build") == "test-build");
    if (row.status >= 400) {
      CHECK(answer.header("Content-Type") == "application/problem+json");
      CHECK(answer.json()["status"] == row.status);
      CHECK(answer.json()["title"].is_string());
    }
    if (row.stays_open)
      CHECK(whole.ask(k_health).status == 200);
    else
      CHECK(whole.closed());
    if (row.bytes.size() > 1000) continue;
    auto dripping = harness.connect();
    for (const char byte : row.bytes)
      dripping.send({&byte, 1});
    CHECK(dripping.read().status == row.status);
  }
}

TEST_CASE("a wrong method names the right ones") {
  HttpHarness harness;
  CHECK(harness.ask("DELETE /v1/predictions HTTP/1.1\r\nHost: a\r\n\r\n").header("Allow") == "POST, GET");
}

TEST_CASE("pipelined requests are answered in order") {
  HttpHarness harness;
  auto client = harness.connect();
  client.send(k_health + HttpHarness::get("/v1/account") + HttpHarness::post("/mrun/v1/prepare", "{}") +
              k_health);
  CHECK(client.read().json()["status"] == "ok");
  CHECK(client.read().json()["username"] == "local");
  CHECK(client.read().status == 202);
  CHECK(client.read().json()["status"] == "ok");
}

TEST_CASE("a flood of pipelined requests behind a parked one waits its turn") {
  HttpHarness harness;
  auto client = harness.connect();
  std::string flood =
      HttpHarness::post("/v1/predictions", R"({"version":"demo/echo","input":{}})", "Prefer: wait\r\n");
  for (int i = 0; i < 1000; ++i)
    flood += k_health;
  client.send(flood);
  REQUIRE(harness.run_until([&] { return harness.service.items.contains(FakeService::k_id); }));
  harness.service.end(FakeService::k_id, PredictionStatus::succeeded, "done");
  CHECK(client.read().status == 201);
  for (int i = 0; i < 1000; ++i)
    REQUIRE(client.read().status == 200);
}

TEST_CASE("100-continue is sent when the body is waited for") {
  HttpHarness harness;
  auto client = harness.connect();
  client.send(
      "POST /mrun/v1/prepare HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  CHECK(client.read().status == 100);
  CHECK(client.ask("{}").status == 202);
}

TEST_CASE("slow and idle callers are closed") {
  HttpLimits limits = quick();
  SUBCASE("a head that never ends") {
    limits.head_timeout = 30ms;
    HttpHarness harness(limits);
    auto client = harness.connect();
    const Answer answer = client.ask("GET /healthz HT");
    CHECK(answer.status == 408);
    CHECK(answer.json()["class"] == "request_timeout");
    CHECK(client.closed());
  }
  SUBCASE("a head that drips: the clock runs from its first byte") {
    limits.head_timeout = 30ms;
    HttpHarness harness(limits);
    auto client = harness.connect();
    CHECK(client.ask("G").status == 408);
  }
  SUBCASE("a body that stops") {
    limits.body_idle_timeout = 30ms;
    HttpHarness harness(limits);
    CHECK(harness.ask("POST /mrun/v1/prepare HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{").status ==
          408);
  }
  SUBCASE("a connection without a request") {
    limits.head_timeout = 30ms;
    HttpHarness harness(limits);
    CHECK(harness.connect().closed());
  }
  SUBCASE("a kept connection") {
    limits.keep_alive_timeout = 30ms;
    HttpHarness harness(limits);
    auto client = harness.connect();
    CHECK(client.ask(k_health).status == 200);
    CHECK(client.closed());
  }
  SUBCASE("a reply that is not read") {
    limits.write_stall_timeout = 30ms;
    HttpHarness harness(limits);
    harness.service.add(FakeService::k_id).prediction.logs = std::string(4 * k_mib, 'x');
    auto client = harness.connect();
    client.send(HttpHarness::get(std::string("/mrun/v1/predictions/") + FakeService::k_id + "/logs"));
    REQUIRE(harness.run_until([&] { return harness.server->connections() == 1; }));
    CHECK(harness.run_until([&] { return harness.server->connections() == 0; }));
  }
}

TEST_CASE("200 slow callers do not hold up a good one") {
  HttpHarness harness;
  std::vector<HttpHarness::Client> slow;
  for (int i = 0; i < 200; ++i) {
    slow.push_back(harness.connect());
    slow.back().send("G");
  }
  CHECK(harness.ask(k_health).status == 200);
  CHECK(harness.server->connections() >= 200);
}

TEST_CASE("beyond the limit of connections a caller hears why, and it recovers") {
  HttpLimits limits;
  limits.max_connections = 2;
  HttpHarness harness(limits);
  auto first = harness.connect();
  auto second = harness.connect();
  CHECK(first.ask(k_health).status == 200);
  CHECK(second.ask(k_health).status == 200);
  auto third = harness.connect();
  const Answer refused = third.read();
  CHECK(refused.status == 503);
  CHECK(refused.json()["class"] == "resources");
  CHECK(refused.header("Retry-After") == "1");
  CHECK(refused.header("Mrun-Build") == "test-build");
  first.close();
  REQUIRE(harness.run_until([&] { return harness.server->connections() == 1; }));
  CHECK(harness.ask(k_health).status == 200);
}

TEST_CASE("out of descriptors, callers hear why, nothing spins, and it recovers") {
  HttpHarness harness;
  auto first = harness.connect();
  CHECK(first.ask(k_health).status == 200);
  auto second = harness.connect(); // its descriptor exists before the shortage; the daemon's does not
  rlimit before{};
  ::getrlimit(RLIMIT_NOFILE, &before);
  rlimit none = before;
  none.rlim_cur = static_cast<rlim_t>(::fcntl(0, F_DUPFD, 3)); // the lowest free number
  ::close(static_cast<int>(none.rlim_cur));
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const Answer refused = second.read();
  CHECK(refused.status == 503);
  CHECK(refused.json()["class"] == "resources");
  CHECK(first.ask(k_health).status == 200);
  // With nobody in the backlog the loop rests: a few turns of its pause timer, no more.
  std::size_t turns = 0;
  const auto until = std::chrono::steady_clock::now() + 300ms;
  while (harness.io.run_one_until(until) > 0)
    ++turns;
  CHECK(turns < 20);
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(harness.ask(k_health).status == 200);
}

TEST_CASE("another user is refused") {
  HttpHarness harness({}, ::getuid() + 1);
  const Answer refused = harness.connect().read();
  CHECK(refused.status == 403);
  CHECK(refused.json()["class"] == "peer_refused");
}

TEST_CASE("stopping: idle connections close, busy ones end with their exchange") {
  HttpHarness harness;
  auto idle = harness.connect();
  auto busy = harness.connect();
  CHECK(idle.ask(k_health).status == 200);
  busy.send(
      HttpHarness::post("/v1/predictions", R"({"version":"demo/echo","input":{}})", "Prefer: wait\r\n"));
  REQUIRE(harness.run_until([&] { return harness.service.items.contains(FakeService::k_id); }));
  bool drained = false;
  harness.server->stop_accepting();
  harness.server->drained([&drained] { drained = true; });
  CHECK(idle.closed());
  CHECK_FALSE(drained);
  harness.service.end(FakeService::k_id, PredictionStatus::succeeded, 1);
  const Answer answer = busy.read();
  CHECK(answer.status == 201);
  CHECK(answer.header("Connection") == "close");
  CHECK(harness.run_until([&drained] { return drained; }));
}

TEST_CASE("the health check and the daemon's own routes") {
  HttpHarness harness;
  CHECK(harness.ask(HttpHarness::get("/mrun/v1/status")).json()["schema"] == "mrun.status/v1");
  CHECK(harness.ask(HttpHarness::get("/mrun/v1/ps")).json()["schema"] == "mrun.ps/v1");
  CHECK(harness.ask(HttpHarness::get("/mrun/v1/versions/aaaaaaaa/stats")).body == "null");
  CHECK(harness.ask(HttpHarness::post("/mrun/v1/models/stop", R"({"reference":"demo/echo"})"))
            .json()["stopped"] == 2);
  CHECK(harness.ask(HttpHarness::post("/mrun/v1/models/stop", R"({"reference":"no/model","force":true})"))
            .status == 404);
  CHECK(harness.ask(HttpHarness::post("/mrun/v1/models/stop", R"({"refrence":"x"})")).json()["hint"] ==
        "did you mean `reference`?");
  CHECK(harness.ask(HttpHarness::post("/mrun/v1/prepare", "")).status == 202);
  CHECK(harness.service.prepared);
  CHECK(harness.ask(HttpHarness::post("/mrun/v1/cost/reload", "")).json()["cost"].is_null());
  CHECK(harness.ask(HttpHarness::post("/mrun/v1/shutdown", "")).status == 202);
  CHECK(harness.ask(k_health).status == 503);
}

TEST_CASE("a caller that does not read can't hold up the end") {
  HttpLimits limits;
  limits.drain_grace = 20ms;
  HttpHarness harness(limits);
  harness.service.add(FakeService::k_id).prediction.logs = std::string(4 * k_mib, 'x');
  auto client = harness.connect();
  client.send(HttpHarness::get(std::string("/mrun/v1/predictions/") + FakeService::k_id + "/logs"));
  REQUIRE(harness.run_until([&] { return harness.server->connections() == 1; }));
  bool drained = false;
  harness.server->stop_accepting();
  harness.server->drained([&drained] { drained = true; });
  CHECK(harness.run_until([&drained] { return drained; }));
  CHECK(harness.server->connections() == 0);
}
