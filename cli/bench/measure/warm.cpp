#include "cli/bench/measure/warm.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/bench/measure/part_names.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_max_requests = 20'000;
constexpr std::size_t k_least_requests = 10;
constexpr std::int64_t k_least_wait_ns = 60'000'000'000; // for them
constexpr std::int64_t k_window_ns = 100'000'000;
constexpr std::int64_t k_warmup_cap_ns = 60'000'000'000;
constexpr std::size_t k_windows = 3;
constexpr double k_agree = 0.10;
constexpr std::size_t k_warmup_least = 3;
constexpr std::size_t k_window_inputs = 50; // of many inputs, those that each window goes through

bool agree(const Samples& windows) {
  if (windows.size() < k_windows) return false;
  const auto last = std::span(windows).last(k_windows);
  const auto [low, high] = std::minmax_element(last.begin(), last.end());
  const double mean = mean_of(last);
  return *high <= mean * (1 + k_agree) && *low >= mean * (1 - k_agree);
}

void note_all(Rig& rig, const std::string& part, const std::vector<Sample>& samples) {
  for (const Sample& sample : samples)
    rig.result.note(part, sample);
}

LoadPlan turn_plan(Rig& rig, const Subject& subject, std::size_t count, std::int64_t duration_ns,
                   std::size_t first_input) {
  MRUN_CHECK(count > 0);
  LoadPlan plan = rig.plan_for(subject);
  plan.first_request = first_input;
  plan.max_requests = count;
  plan.duration_ns = duration_ns;
  return plan;
}

Result<LoadRun> run_plan(Rig& rig, const LoadPlan& plan) {
  MRUN_ASSIGN(LoadRun run, run_load(plan));
  rig.interrupted |= run.interrupted;
  return run;
}

// Mean latency of the successes; nullopt without.
std::optional<double> mean_latency(const LoadRun& run) {
  Samples latencies;
  for (const Sample& sample : run.samples)
    if (sample.outcome == Outcome::succeeded) latencies.push_back(static_cast<double>(sample.latency_ns()));
  if (latencies.empty()) return std::nullopt;
  return mean_of(latencies);
}

// Windows go through the same inputs, all of them (the first 50 of many), as often as 100 ms take; else it
// would be the inputs that differ and not the model.
class WarmupLoop {
 public:
  WarmupLoop(Rig& rig, const Subject& subject, std::string part)
      : m_rig(rig),
        m_subject(subject),
        m_part(std::move(part)),
        m_round(std::min(subject.inputs.size(), k_window_inputs)) {}

  Result<Warmup> run() {
    while (!m_warmup.settled && m_left_ns > 0 && m_fruitless < k_windows && !m_rig.interrupted)
      MRUN_TRY(window());
    return m_warmup;
  }

 private:
  Result<void> window() {
    LoadPlan plan = turn_plan(m_rig, m_subject, m_rounds * m_round, m_left_ns, 0);
    plan.on_progress = [&](std::int64_t, std::size_t) { m_rig.progress.tick(0, "warming up"); };
    MRUN_ASSIGN(const LoadRun run, run_plan(m_rig, plan));
    note_all(m_rig, m_part, run.samples);
    m_warmup.requests += run.samples.size();
    m_left_ns -= run.elapsed_ns;
    const auto mean = mean_latency(run);
    m_fruitless = mean ? 0 : m_fruitless + 1;
    const bool is_whole = run.samples.size() == plan.max_requests;
    if (mean && is_whole && run.elapsed_ns >= k_window_ns / 2) m_windows.push_back(*mean);
    if (run.elapsed_ns < k_window_ns) {
      const double more = static_cast<double>(k_window_ns) / static_cast<double>(run.elapsed_ns);
      const auto rounds = static_cast<std::size_t>(std::ceil(static_cast<double>(m_rounds) * more));
      m_rounds = std::clamp<std::size_t>(rounds, 1, k_max_requests / m_round);
    }
    m_warmup.settled = m_warmup.requests >= k_warmup_least && agree(m_windows);
    return {};
  }

  Rig& m_rig;
  const Subject& m_subject;
  std::string m_part;
  std::size_t m_round;
  std::size_t m_rounds = 1;
  std::size_t m_fruitless = 0; // windows in a row without one success
  std::int64_t m_left_ns = k_warmup_cap_ns;
  Samples m_windows;
  Warmup m_warmup{.requests = 0, .settled = false};
};

} // namespace

Result<LoadRun> run_in_turn(Rig& rig, const Subject& subject, std::size_t count, std::int64_t duration_ns,
                            std::size_t first_input) {
  LoadPlan plan = turn_plan(rig, subject, count, duration_ns, first_input);
  const double planned = static_cast<double>(duration_ns);
  plan.on_progress = [&](std::int64_t elapsed_ns, std::size_t answered) {
    const double by_count = static_cast<double>(answered) / static_cast<double>(count);
    const double by_time = planned > 0 ? static_cast<double>(elapsed_ns) / planned : 0;
    rig.progress.tick(std::max(by_count, by_time), fmt::format("{} requests", answered));
  };
  return run_plan(rig, plan);
}

Result<Warmup> warm_up(Rig& rig, const Subject& subject, const std::string& part) {
  if (!rig.options.warmup) return WarmupLoop(rig, subject, part).run();
  MRUN_ASSIGN(const LoadRun run, run_in_turn(rig, subject, *rig.options.warmup, 0, 0));
  note_all(rig, part, run.samples);
  return Warmup{.requests = run.samples.size(), .settled = true};
}

Result<WarmPart> measure_warm(Rig& rig, const Subject& subject, double share) {
  rig.progress.begin("warm latency", share);
  WarmPart part;
  MRUN_ASSIGN(const Warmup warmup, warm_up(rig, subject, std::string(k_warmup_part)));
  part.warmup_requests = warmup.requests;
  part.settled = warmup.settled;
  if (rig.interrupted) return part;
  MRUN_ASSIGN(LoadRun run, run_in_turn(rig, subject, k_max_requests, rig.options.duration_ns, 0));
  if (run.samples.size() < k_least_requests && !rig.interrupted) {
    MRUN_ASSIGN(LoadRun more, run_in_turn(rig, subject, k_least_requests - run.samples.size(),
                                          k_least_wait_ns, run.samples.size()));
    for (Sample& sample : more.samples)
      run.samples.push_back(std::move(sample));
    run.elapsed_ns += more.elapsed_ns;
  }
  note_all(rig, std::string(k_warm_part), run.samples);
  part.elapsed_ns = run.elapsed_ns;
  std::erase_if(run.samples, [](const Sample& sample) { return sample.outcome != Outcome::succeeded; });
  part.samples = std::move(run.samples);
  return part;
}

} // namespace mrun::bench
