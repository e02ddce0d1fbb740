// How many requests a second the load generator sends and reads on one core, against a server that costs next
// to nothing: closed loops, then an open loop at rising rates with how late it was.
// usage: bench_generator_speed [seconds]
#include <cstdio>
#include <cstdlib>

#include <fmt/format.h>

#include "cli/bench/load/generator.h"
#include "cli/bench/load/schedule.h"
#include "cli/bench/stats/quantile.h"
#include "cli/bench/stats/random.h"
#include "cli/bench/tests/trivial_server.h"

namespace {

using namespace mrun::bench;

void report(const std::string& name, const LoadRun& run) {
  const auto good = std::ranges::count(run.samples, Outcome::succeeded, &Sample::outcome);
  Samples latencies;
  for (const Sample& sample : run.samples)
    latencies.push_back(static_cast<double>(sample.latency_ns()));
  fmt::print("| {} | {:.0f} | {:.1f} | {:.1f} | {} |\n", name,
             static_cast<double>(good) * 1e9 / static_cast<double>(run.elapsed_ns),
             quantile_of(latencies, 0.5) / 1e3, static_cast<double>(late_send_p99_ns(run)) / 1e3,
             run.dropped);
}

} // namespace

int main(int argc, char** argv) {
  const std::int64_t duration_ns = (argc > 1 ? std::atoi(argv[1]) : 3) * std::int64_t{1'000'000'000};
  const std::string body = R"({"version":"demo/echo","input":{"text":"hello"}})";
  const TrivialServer server([](std::size_t) { return http_reply(201, k_succeeded_body); });
  LoadPlan plan;
  plan.socket = server.socket();
  plan.requests = {
      fmt::format("POST /mrun/v1/predictions HTTP/1.1\r\nHost: localhost\r\nContent-Length: {}\r\n\r\n{}",
                  body.size(), body)};
  fmt::print("| load | answered per s | p50 µs | late p99 µs | dropped |\n|---|---|---|---|---|\n");
  for (const std::size_t clients : {1, 8, 64}) {
    plan.concurrency = clients;
    plan.duration_ns = duration_ns;
    if (const auto run = run_load(plan)) report(fmt::format("closed {}", clients), *run);
  }
  for (const double rate : {1000.0, 2000.0, 5000.0, 10000.0, 20000.0}) {
    plan.schedule = make_schedule(Arrival::poisson, rate, duration_ns, 1);
    if (const auto run = run_load(plan)) report(fmt::format("poisson {:.0f}/s", rate), *run);
  }
  return 0;
}
