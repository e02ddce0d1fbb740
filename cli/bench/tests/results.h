// Results made up for tests.
#pragma once

#include <string>
#include <string_view>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

inline constexpr std::int64_t k_ms = 1'000'000;

inline Sample sample_of(std::int64_t latency_ns) {
  Sample sample;
  sample.scheduled_ns = 5 * k_ms;
  sample.sent_ns = sample.scheduled_ns + 1000;
  sample.connect_ns = 500;
  sample.first_byte_ns = sample.done_ns = sample.scheduled_ns + latency_ns;
  sample.outcome = Outcome::succeeded;
  sample.server.phases[Phase::spawn] = latency_ns / 4;
  sample.server.phases[Phase::predict] = latency_ns / 2;
  sample.server.total_ns = sample.server.phases.sum_ns();
  sample.server.cold_start = true;
  sample.server.peak_memory_bytes = 10'000'000;
  sample.server.cost = *Money::parse("0.000001", ErrorCode::usage);
  sample.server.cost_currency = "EUR";
  return sample;
}

inline Sample failed_sample(std::string problem) {
  Sample sample;
  sample.outcome = Outcome::failed;
  sample.problem = std::move(problem);
  return sample;
}

inline BenchResult result_of(std::size_t cold, std::size_t warm) {
  BenchResult result;
  result.id = "01";
  result.created_ns = 1'700'000'000'000'000'000;
  result.subject = {"demo/x", "demo/x", std::string(64, 'a'), 1000, 1};
  result.machine.cpu = "Testing CPU";
  result.machine.cores = 2;
  result.words = {"bench", "demo/x"};
  if (cold > 0) {
    result.cold.emplace();
    for (std::size_t i = 0; i < cold; ++i) {
      ColdRun run;
      run.sample = sample_of((100 + static_cast<std::int64_t>(i)) * k_ms);
      run.residency_before = 1.0;
      result.cold->runs.push_back(std::move(run));
    }
  }
  if (warm > 0) {
    result.warm.emplace();
    for (std::size_t i = 0; i < warm; ++i)
      result.warm->samples.push_back(sample_of((10 + static_cast<std::int64_t>(i % 7)) * k_ms));
  }
  return result;
}

inline LoadStep step_of(StepKind kind, double rate, std::size_t n) {
  LoadStep step;
  step.kind = kind;
  step.rate = rate;
  step.concurrency = 4;
  step.elapsed_ns = 1'000 * k_ms;
  for (std::size_t i = 0; i < n; ++i)
    step.samples.push_back(sample_of((20 + static_cast<std::int64_t>(i % 50)) * k_ms));
  step.achieved = static_cast<double>(n);
  return step;
}

inline bool has(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

} // namespace mrun::bench
