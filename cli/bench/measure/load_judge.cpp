#include "cli/bench/measure/load_judge.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/bench/measure/part_names.h"
#include "cli/bench/measure/slo.h"

namespace mrun::bench {
namespace {

constexpr std::int64_t k_late_ns = 1'000'000;
constexpr double k_late_share = 0.05; // of the median latency

// The generator is late when what it adds could be taken for the model's latency.
bool is_late(const LoadStep& step) {
  const Samples latencies = step.latencies();
  const double median_ns = latencies.size() < samples_needed(0.5) ? 0 : median_of(latencies);
  return step.kind != StepKind::closed && step.late_send_p99_ns > k_late_ns &&
         static_cast<double>(step.late_send_p99_ns) > k_late_share * median_ns;
}

void judge_step(BenchResult& result, LoadStep& step, bool is_gate) {
  const Slo& slo = result.options.slo;
  std::vector<SloRow> rows =
      latency_rows(slo, step.name(), step.latencies(), step.due() - step.count(Outcome::succeeded));
  if (slo.error_rate) rows.push_back(error_rate_row(slo, step.name(), step.error_rate()));
  if (step.saturated && !slo.empty())
    rows.push_back({step.name(), "not saturated",
                    fmt::format("saturated, {} unfinished", step.count(Outcome::pending)), false});
  step.meets_slo = !step.saturated && std::ranges::all_of(rows, &SloRow::ok);
  if (is_gate) std::ranges::move(rows, std::back_inserter(result.slo));
}

// Who has waited as long as the highest percentile may is still served well; the lower ones say how many may
// not wait so long.
double goodput_of(const LoadStep& step, const Slo& slo) {
  const std::int64_t limit_ns = slo.quantiles_ns.empty() ? INT64_MAX : slo.quantiles_ns.rbegin()->second;
  const auto good = std::ranges::count_if(step.samples, [&](const Sample& sample) {
    return sample.outcome == Outcome::succeeded && sample.latency_ns() <= limit_ns;
  });
  return static_cast<double>(good) * 1e9 / static_cast<double>(step.elapsed_ns);
}

// A refusal is no failure of a prediction: the step's error rate and its latency limits count it. Where no
// limit does, a rate that was asked for and mostly refused is one.
void note_step(BenchResult& result, const LoadStep& step, bool is_gate) {
  const std::string part = std::string(k_load_prefix) + step.name();
  const bool counts_refused = is_gate && result.options.slo.empty() && step.is_overloaded();
  for (const Sample& sample : step.samples)
    if (sample.outcome != Outcome::refused || counts_refused) result.note(part, sample);
  result.parts[part].judged = result.options.slo.error_rate.has_value();
}

} // namespace

void keep_step(BenchResult& result, LoadStep step, bool is_gate) {
  step.generator_late = is_late(step);
  step.goodput = goodput_of(step, result.options.slo);
  judge_step(result, step, is_gate);
  note_step(result, step, is_gate);
  result.load.push_back(std::move(step));
}

void find_knee(BenchResult& result) {
  for (const LoadStep& step : result.load) {
    if (step.kind == StepKind::closed || !step.is_whole() || !step.meets_slo) continue;
    if (step.count(Outcome::succeeded) < samples_needed(0.5)) continue;
    if (step.error_rate() > result.options.slo.error_rate.value_or(0.01)) continue;
    result.knee = std::max(result.knee.value_or(0), step.rate);
  }
}

} // namespace mrun::bench
