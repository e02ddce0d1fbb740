// The load generator against servers that answer in every way. Times are checked by lower bounds only.
#include <numeric>

#include <doctest/doctest.h>

#include "cli/bench/load/generator.h"
#include "cli/bench/load/saturation.h"
#include "cli/bench/load/schedule.h"
#include "cli/bench/stats/quantile.h"
#include "cli/bench/stats/random.h"
#include "cli/bench/tests/trivial_server.h"

namespace mrun::bench {
namespace {

constexpr std::int64_t k_ms = 1'000'000;

std::string post(std::string_view body = "{}") {
  return fmt::format("POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}", body.size(),
                     body);
}

LoadPlan plan_for(const TrivialServer& server) {
  LoadPlan plan;
  plan.socket = server.socket();
  plan.requests = {post()};
  return plan;
}

std::size_t count(const LoadRun& run, Outcome outcome) {
  return static_cast<std::size_t>(std::ranges::count(run.samples, outcome, &Sample::outcome));
}

std::string good(std::size_t) {
  return http_reply(201, k_succeeded_body);
}

TEST_CASE("a closed loop sends one after the other and reads the daemon's figures") {
  const TrivialServer server(good);
  LoadPlan plan = plan_for(server);
  plan.max_requests = 50;
  const auto run = run_load(plan);
  REQUIRE(run);
  REQUIRE(run->samples.size() == 50);
  CHECK(count(*run, Outcome::succeeded) == 50);
  CHECK(server.connections() == 1);
  std::int64_t last = -1;
  for (const Sample& sample : run->samples) {
    CHECK(sample.scheduled_ns >= last);
    CHECK(sample.sent_ns >= sample.scheduled_ns);
    CHECK(sample.first_byte_ns >= sample.sent_ns);
    CHECK(sample.done_ns >= sample.first_byte_ns);
    CHECK(sample.server.total_ns == 3500);
    last = sample.done_ns;
  }
  CHECK(run->samples[0].connect_ns >= 0);
  CHECK(run->samples[1].connect_ns == -1);
  CHECK(run->elapsed_ns == run->samples.back().done_ns);
}

TEST_CASE("requests take turns, from the one that is asked for") {
  const TrivialServer server(good);
  LoadPlan plan = plan_for(server);
  plan.requests = {"bad", post("{\"a\":1}"), post("{\"a\":2}")};
  plan.first_request = 1;
  plan.max_requests = 2; // the broken one would hang
  const auto run = run_load(plan);
  REQUIRE(run);
  CHECK(count(*run, Outcome::succeeded) == 2);
}

TEST_CASE("many clients of a closed loop") {
  const TrivialServer server(good);
  LoadPlan plan = plan_for(server);
  plan.concurrency = 16;
  plan.max_requests = 400;
  const auto run = run_load(plan);
  REQUIRE(run);
  CHECK(run->samples.size() == 400);
  CHECK(count(*run, Outcome::succeeded) == 400);
  CHECK(server.connections() <= 16);
}

TEST_CASE("each request over a new connection, when asked") {
  const TrivialServer server(good);
  LoadPlan plan = plan_for(server);
  plan.max_requests = 5;
  plan.fresh_connections = true;
  const auto run = run_load(plan);
  REQUIRE(run);
  for (const Sample& sample : run->samples)
    CHECK(sample.connect_ns >= 0);
  CHECK(server.connections() >= 5);
}

TEST_CASE("an open loop counts from when a request was due: a stall is seen by all who wait in it") {
  // 100 requests a second, and the server stands still for 500 ms at the 20th.
  const TrivialServer server([](std::size_t number) {
    if (number == 20) std::this_thread::sleep_for(std::chrono::milliseconds(500));
    return http_reply(201, k_succeeded_body);
  });
  LoadPlan plan = plan_for(server);
  plan.schedule = make_schedule(Arrival::constant, 100, 1'000 * k_ms, 1);
  const auto run = run_load(plan);
  REQUIRE(run);
  REQUIRE(run->samples.size() == 100);
  CHECK(run->dropped == 0);
  // Those due in the first 400 ms of the stall wait 100 ms and more; a closed loop would show one of them.
  std::size_t waited = 0;
  for (const Sample& sample : run->samples)
    if (sample.latency_ns() >= 100 * k_ms) ++waited;
  CHECK(waited >= 38);
  Samples latencies;
  for (const Sample& sample : run->samples)
    latencies.push_back(static_cast<double>(sample.latency_ns()));
  CHECK(quantile_of(latencies, 0.95) >= 400.0 * k_ms);
}

TEST_CASE("without a free connection an open loop drops what is due, and says so") {
  const TrivialServer server([](std::size_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    return http_reply(201, k_succeeded_body);
  });
  LoadPlan plan = plan_for(server);
  plan.schedule = make_schedule(Arrival::constant, 1000, 100 * k_ms, 1);
  plan.max_connections = 2;
  const auto run = run_load(plan);
  REQUIRE(run);
  CHECK(run->dropped + run->samples.size() == 100);
  CHECK(run->dropped >= 50);
}

TEST_CASE("failures are told apart") {
  const TrivialServer server([](std::size_t number) -> std::string {
    switch (number) {
    case 0:
      return http_reply(201, R"({"status":"failed","error":"M1401: boom\u001b[31m","metrics":{}})");
    case 1:
      return http_reply(429, R"({"code":"M1403","status":429,"title":"x","detail":"the queue is full"})");
    case 2:
      return http_reply(500, "not json");
    case 3:
      return "";
    case 4:
      return http_reply(202, R"({"status":"starting"})");
    case 5:
      return "HTTP/1.1 garbage\r\n\r\n";
    default:
      return http_reply(201, k_succeeded_body);
    }
  });
  LoadPlan plan = plan_for(server);
  plan.max_requests = 7;
  const auto run = run_load(plan);
  REQUIRE(run);
  REQUIRE(run->samples.size() == 7);
  CHECK(run->samples[0].outcome == Outcome::failed);
  CHECK(run->samples[0].problem.find("M1401: boom") == 0);
  CHECK(run->samples[0].problem.find('\x1b') == std::string::npos);
  CHECK(run->samples[1].outcome == Outcome::refused);
  CHECK(run->samples[2].outcome == Outcome::unanswered);
  CHECK(run->samples[3].outcome == Outcome::unanswered);
  CHECK(run->samples[4].outcome == Outcome::unanswered);
  CHECK(run->samples[5].outcome == Outcome::unanswered);
  CHECK(run->samples[6].outcome == Outcome::succeeded);
}

TEST_CASE("a request without an answer is given up, the others go on") {
  const TrivialServer server([](std::size_t number) {
    if (number == 1) std::this_thread::sleep_for(std::chrono::milliseconds(600));
    return http_reply(201, k_succeeded_body);
  });
  LoadPlan plan = plan_for(server);
  plan.max_requests = 3;
  plan.timeout_ns = 200 * k_ms;
  const auto run = run_load(plan);
  REQUIRE(run);
  CHECK(run->samples[0].outcome == Outcome::succeeded);
  CHECK(run->samples[1].outcome == Outcome::unanswered);
  CHECK(run->samples[1].problem.find("no answer within") == 0);
}

TEST_CASE("a streamed reply: the first output is timed, the end counts") {
  const TrivialServer server([](std::size_t) {
    const std::string events = "event: queued\ndata: {}\n\nevent: output\ndata: {\"value\":\"a\"}\n\n"
                               "event: done\ndata: " +
                               std::string(k_succeeded_body) + "\n\n";
    return fmt::format(
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        "{:x}\r\n{}\r\n0\r\n\r\n",
        events.size(), events);
  });
  LoadPlan plan = plan_for(server);
  plan.max_requests = 3;
  const auto run = run_load(plan);
  REQUIRE(run);
  CHECK(count(*run, Outcome::succeeded) == 3);
  for (const Sample& sample : run->samples) {
    CHECK(sample.first_output_ns >= sample.sent_ns);
    CHECK(sample.first_output_ns <= sample.done_ns);
  }
}

TEST_CASE("nobody listens") {
  LoadPlan plan;
  plan.socket = "/tmp/mrun-bench-test-nobody";
  plan.requests = {post()};
  plan.max_requests = 1;
  const auto run = run_load(plan);
  REQUIRE_FALSE(run);
  CHECK(run.error().code == ErrorCode::daemon_unreachable);
}

TEST_CASE("a server that goes away in the middle ends the run") {
  auto server = std::make_unique<TrivialServer>(good);
  LoadPlan plan = plan_for(*server);
  plan.duration_ns = 60'000 * k_ms;
  plan.on_progress = [&](std::int64_t, std::size_t) { server.reset(); };
  const auto run = run_load(plan);
  REQUIRE(run);
  CHECK(run->samples.back().outcome == Outcome::unanswered);
  CHECK(run->samples.back().problem.find("can't connect") == 0);
}

TEST_CASE("an interrupt ends the run and keeps what was measured") {
  const TrivialServer server(good);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  const UniqueFd read_end(ends[0]);
  const UniqueFd write_end(ends[1]);
  LoadPlan plan = plan_for(server);
  plan.duration_ns = 60'000 * k_ms;
  plan.interrupt_fd = read_end.get();
  plan.on_progress = [&](std::int64_t, std::size_t answered) {
    if (answered > 20) REQUIRE(::write(write_end.get(), "x", 1) == 1);
  };
  const auto run = run_load(plan);
  REQUIRE(run);
  CHECK(run->interrupted);
  CHECK(run->samples.size() > 20);
}

TEST_CASE("a schedule is the same for one seed, and has the rate that was asked for") {
  const auto poisson = make_schedule(Arrival::poisson, 1000, 100'000 * k_ms, 5);
  CHECK(poisson == make_schedule(Arrival::poisson, 1000, 100'000 * k_ms, 5));
  CHECK(poisson != make_schedule(Arrival::poisson, 1000, 100'000 * k_ms, 6));
  CHECK(static_cast<double>(poisson.size()) == doctest::Approx(100'000).epsilon(0.01));
  CHECK(std::ranges::is_sorted(poisson));
  // The gaps of a Poisson process: standard deviation as large as the mean.
  double squares = 0;
  for (std::size_t i = 1; i < poisson.size(); ++i)
    squares += std::pow(static_cast<double>(poisson[i] - poisson[i - 1]) / 1e6, 2);
  CHECK(squares / static_cast<double>(poisson.size()) == doctest::Approx(2).epsilon(0.03));
  const auto constant = make_schedule(Arrival::constant, 3, 1'000 * k_ms, 1);
  CHECK(constant == std::vector<std::int64_t>{0, 333'333'333, 666'666'666});
}

TEST_CASE("saturation is noticed when queue and latency keep growing, and only then") {
  SaturationWatch steady;
  SaturationWatch growing;
  Random random(3);
  for (int i = 0; i < 40; ++i) {
    steady.add(5 + random.normal(), 1e7 * (1 + 0.1 * random.normal()));
    growing.add(5 + 3 * i + random.normal(), 1e7 * (1 + i + 0.1 * random.normal()));
  }
  CHECK_FALSE(steady.saturated());
  CHECK(growing.saturated());
  SaturationWatch young;
  for (int i = 0; i < 10; ++i)
    young.add(100 * i, 1e9 * i);
  CHECK_FALSE(young.saturated());
}

TEST_CASE("lateness is that of the 99th of a hundred") {
  LoadRun run;
  for (int i = 1; i <= 100; ++i) {
    Sample sample;
    sample.scheduled_ns = 1000;
    sample.sent_ns = 1000 + i;
    run.samples.push_back(sample);
  }
  CHECK(late_send_p99_ns(run) == 99);
  CHECK(late_send_p99_ns({}) == 0);
}

} // namespace
} // namespace mrun::bench
