#include "cli/bench/measure/load_curve.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/bench/measure/warm.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

constexpr double k_shares[] = {0.10, 0.30, 0.50, 0.70, 0.85, 0.95, 1.10}; // of the ceiling
constexpr double k_least_growth = 1.05;
constexpr std::size_t k_max_closed = 64;
constexpr std::size_t k_expected_closed = 5; // steps, for the time left
constexpr std::int64_t k_late_ns = 1'000'000;
constexpr double k_late_share = 0.05; // of the median latency

// The generator is late when what it adds could be taken for the model's latency.
bool is_late(const LoadStep& step, double median_ns) {
  return step.kind != StepKind::closed && step.late_send_p99_ns > k_late_ns &&
         static_cast<double>(step.late_send_p99_ns) > k_late_share * median_ns;
}

void judge_slo(BenchResult& result, LoadStep& step, const Summary& latency, bool is_gate) {
  const Slo& slo = result.options.slo;
  const auto row = [&](const std::string& what, std::string limit, std::string value, bool ok) {
    step.meets_slo &= ok;
    if (is_gate) result.slo.push_back({what, std::move(limit), std::move(value), ok});
  };
  for (const auto& [p, limit_ns] : slo.quantiles_ns) {
    const Quantile& quantile = latency.at(p);
    const std::string what = fmt::format("{} p{:g}", step.name(), p * 100);
    if (quantile.enough)
      row(what, format_duration(limit_ns), format_duration(static_cast<std::int64_t>(quantile.value)),
          quantile.value <= static_cast<double>(limit_ns));
    else
      row(what, format_duration(limit_ns), fmt::format("needs n≥{}, have {}", quantile.needed, latency.n),
          false);
  }
  if (slo.error_rate)
    row(step.name() + " error rate", fmt::format("{:g} %", *slo.error_rate * 100),
        fmt::format("{:.3g} %", step.error_rate() * 100), step.error_rate() <= *slo.error_rate);
}

double goodput_of(const LoadStep& step, const Slo& slo) {
  std::int64_t limit_ns = INT64_MAX;
  for (const auto& [p, quantile_ns] : slo.quantiles_ns)
    limit_ns = std::min(limit_ns, quantile_ns);
  const auto good = std::ranges::count_if(step.samples, [&](const Sample& sample) {
    return sample.outcome == Outcome::succeeded && sample.latency_ns() <= limit_ns;
  });
  return static_cast<double>(good) * 1e9 / static_cast<double>(step.elapsed_ns);
}

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
  const Summary latency = summarize(done.latencies(), rig.options.seed);
  done.generator_late = is_late(done, latency.at(0.5).enough ? latency.at(0.5).value : 0);
  done.goodput = goodput_of(done, rig.options.slo);
  judge_slo(rig.result, done, latency, given);
  if (done.saturated) done.meets_slo = false;
  for (const Sample& sample : done.samples)
    if (sample.outcome == Outcome::failed || sample.outcome == Outcome::unanswered)
      rig.result.note_failure("load " + done.name(), sample);
  rig.result.load.push_back(std::move(done));
  return rig.result.load.back().achieved;
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

void find_knee(BenchResult& result) {
  for (const LoadStep& step : result.load) {
    if (step.kind == StepKind::closed || !step.meets_slo || step.saturated || step.samples.empty()) continue;
    if (step.error_rate() > result.options.slo.error_rate.value_or(0.01)) continue;
    result.knee = std::max(result.knee.value_or(0), step.rate);
  }
}

} // namespace

Result<void> measure_load(Rig& rig, const Subject& subject, double share) {
  MRUN_TRY(warm_up(rig, subject));
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
    rig.result.ceiling = best;
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
