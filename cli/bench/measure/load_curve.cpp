#include "cli/bench/measure/load_curve.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/bench/measure/load_judge.h"
#include "cli/bench/measure/part_names.h"
#include "cli/bench/measure/warm.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

constexpr double k_shares[] = {0.10, 0.30, 0.50, 0.70, 0.85, 0.95, 1.10}; // of the ceiling
constexpr double k_least_growth = 1.05;
constexpr std::size_t k_max_closed = 64;
constexpr std::size_t k_expected_closed = 5; // steps, for the time left

Result<LoadStep> run_step(Rig& rig, const Subject& subject, LoadStep step, std::uint64_t seed) {
  LoadPlan plan = rig.plan_for(subject);
  step.duration_ns = rig.options.duration_ns;
  if (step.kind == StepKind::closed) {
    plan.concurrency = step.concurrency;
    plan.duration_ns = step.duration_ns;
  } else {
    const Arrival arrival = step.kind == StepKind::poisson ? Arrival::poisson : Arrival::constant;
    plan.schedule = make_schedule(arrival, step.rate, step.duration_ns, seed);
    if (plan.schedule.empty()) plan.schedule = {0};
    plan.stop_when_saturated = true;
  }
  plan.on_progress = [&](std::int64_t elapsed_ns, std::size_t answered) {
    rig.progress.tick(static_cast<double>(elapsed_ns) / static_cast<double>(step.duration_ns),
                      fmt::format("{} answered", answered));
  };
  MRUN_ASSIGN(LoadRun run, run_load(plan));
  rig.interrupted |= run.interrupted;
  step.late_send_p99_ns = late_send_p99_ns(run);
  step.samples = std::move(run.samples);
  step.dropped = run.dropped;
  step.elapsed_ns = run.elapsed_ns;
  step.saturated = run.saturated;
  step.interrupted = run.interrupted;
  step.achieved =
      static_cast<double>(step.count(Outcome::succeeded)) * 1e9 / static_cast<double>(step.elapsed_ns);
  return step;
}

Result<double> measure_step(Rig& rig, const Subject& subject, LoadStep step, double share) {
  rig.progress.begin(fmt::format("load, {}", step.name()), share);
  const bool given =
      step.kind == StepKind::closed ? !rig.options.concurrency.empty() : rig.options.rates_given;
  MRUN_ASSIGN(LoadStep done,
              run_step(rig, subject, std::move(step), rig.options.seed + rig.result.load.size()));
  const double achieved = done.achieved;
  keep_step(rig.result, std::move(done), given);
  return achieved;
}

LoadStep closed_step(std::size_t concurrency) {
  LoadStep step;
  step.kind = StepKind::closed;
  step.concurrency = concurrency;
  return step;
}

LoadStep open_step(Arrival arrival, double rate) {
  LoadStep step;
  step.kind = arrival == Arrival::poisson ? StepKind::poisson : StepKind::constant;
  step.rate = rate;
  return step;
}

// Returns the ceiling: successes per second of the best step.
Result<double> closed_loops(Rig& rig, const Subject& subject, double step_share) {
  double best = 0;
  if (!rig.options.concurrency.empty()) {
    for (const std::size_t concurrency : rig.options.concurrency) {
      if (rig.interrupted) break;
      MRUN_ASSIGN(const double achieved, measure_step(rig, subject, closed_step(concurrency), step_share));
      best = std::max(best, achieved);
    }
    return best;
  }
  for (std::size_t concurrency = 1; concurrency <= k_max_closed && !rig.interrupted; concurrency *= 2) {
    MRUN_ASSIGN(const double achieved, measure_step(rig, subject, closed_step(concurrency), step_share));
    const bool grew = achieved > best * k_least_growth;
    best = std::max(best, achieved);
    if (!grew) break;
  }
  return best;
}

} // namespace

Result<void> measure_load(Rig& rig, const Subject& subject, double share) {
  MRUN_TRY(warm_up(rig, subject, std::string(k_warmup_part)));
  if (rig.interrupted) return {};
  const Options& options = rig.options;
  // Rates that were given need no ceiling, unless closed loops were asked for too.
  const bool closed = !options.rates_given || !options.concurrency.empty();
  // Closed loops that were given are all that was asked for, unless rates were too.
  const bool open = options.rates_given || options.concurrency.empty() || options.auto_rates;
  const std::size_t closed_steps = !closed                       ? 0
                                   : options.concurrency.empty() ? k_expected_closed
                                                                 : options.concurrency.size();
  const std::size_t open_steps = !open ? 0 : options.rates_given ? options.rates.size() : std::size(k_shares);
  const double step_share = share / static_cast<double>(closed_steps + open_steps);
  if (closed) {
    MRUN_ASSIGN(const double best, closed_loops(rig, subject, step_share));
    if (!rig.interrupted) rig.result.ceiling = best;
  }
  std::vector<double> rates = options.rates;
  if (open && rates.empty() && rig.result.ceiling.value_or(0) > 0)
    for (const double part : k_shares)
      rates.push_back(*rig.result.ceiling * part);
  for (const double rate : rates) {
    if (rig.interrupted) break;
    MRUN_TRY(measure_step(rig, subject, open_step(options.arrival, rate), step_share));
  }
  if (open) find_knee(rig.result);
  if (open && !options.rates_given && !options.slo.empty() && !rig.interrupted)
    rig.result.slo.push_back({"some rate of the sweep", options.slo.text(),
                              rig.result.knee ? fmt::format("{:.4g}/s", *rig.result.knee) : "none",
                              rig.result.knee.has_value()});
  return {};
}

} // namespace mrun::bench
