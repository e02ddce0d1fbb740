#include "cli/bench/measure/warm.h"

#include <algorithm>

#include <fmt/format.h>

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

bool agree(const Samples& windows) {
  if (windows.size() < k_windows) return false;
  const auto last = std::span(windows).last(k_windows);
  const auto [low, high] = std::minmax_element(last.begin(), last.end());
  const double mean = mean_of(last);
  return *high <= mean * (1 + k_agree) && *low >= mean * (1 - k_agree);
}

void note_failures(Rig& rig, const std::string& part, const std::vector<Sample>& samples) {
  for (const Sample& sample : samples)
    if (sample.outcome != Outcome::succeeded && sample.outcome != Outcome::pending)
      rig.result.note_failure(part, sample);
}

} // namespace

Result<LoadRun> run_in_turn(Rig& rig, const Subject& subject, std::size_t count, std::int64_t duration_ns,
                            std::size_t first_input) {
  LoadPlan plan = rig.plan_for(subject);
  plan.first_request = first_input;
  plan.max_requests = count;
  plan.duration_ns = duration_ns;
  const double planned = static_cast<double>(duration_ns);
  plan.on_progress = [&](std::int64_t elapsed_ns, std::size_t answered) {
    const double by_count = static_cast<double>(answered) / static_cast<double>(count);
    const double by_time = planned > 0 ? static_cast<double>(elapsed_ns) / planned : 0;
    rig.progress.tick(std::max(by_count, by_time), fmt::format("{} requests", answered));
  };
  MRUN_ASSIGN(LoadRun run, run_load(plan));
  rig.interrupted |= run.interrupted;
  return run;
}

Result<Warmup> warm_up(Rig& rig, const Subject& subject) {
  Warmup warmup;
  if (rig.options.warmup) {
    MRUN_ASSIGN(const LoadRun run, run_in_turn(rig, subject, *rig.options.warmup, 0, 0));
    note_failures(rig, "warm-up", run.samples);
    warmup.requests = run.samples.size();
    return warmup;
  }
  Samples windows;
  std::int64_t elapsed_ns = 0;
  warmup.settled = false;
  while (!warmup.settled && elapsed_ns < k_warmup_cap_ns && !rig.interrupted && rig.result.failures.empty()) {
    // A window goes once through all inputs, as the samples will.
    MRUN_ASSIGN(const LoadRun run, run_in_turn(rig, subject, k_max_requests, k_window_ns, warmup.requests));
    note_failures(rig, "warm-up", run.samples);
    warmup.requests += run.samples.size();
    elapsed_ns += run.elapsed_ns;
    if (!run.samples.empty())
      windows.push_back(static_cast<double>(run.elapsed_ns) / static_cast<double>(run.samples.size()));
    warmup.settled = warmup.requests >= k_warmup_least && agree(windows);
  }
  return warmup;
}

Result<WarmPart> measure_warm(Rig& rig, const Subject& subject, double share) {
  rig.progress.begin("warm latency", share);
  WarmPart part;
  MRUN_ASSIGN(const Warmup warmup, warm_up(rig, subject));
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
  note_failures(rig, "warm", run.samples);
  part.elapsed_ns = run.elapsed_ns;
  std::erase_if(run.samples, [](const Sample& sample) { return sample.outcome != Outcome::succeeded; });
  part.samples = std::move(run.samples);
  return part;
}

} // namespace mrun::bench
