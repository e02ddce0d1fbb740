#include "cli/bench/measure/result.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/bench/stats/bootstrap.h"

namespace mrun::bench {
namespace {

constexpr double k_confidence = 0.95;

template<class Part, class Read>
Samples collect(const std::vector<Part>& parts, Read read) {
  Samples samples;
  samples.reserve(parts.size());
  for (const Part& part : parts)
    samples.push_back(static_cast<double>(read(part)));
  return samples;
}

template<class Read>
Samples of_successes(const std::vector<Sample>& all, Read read) {
  Samples samples;
  for (const Sample& sample : all)
    if (sample.outcome == Outcome::succeeded) samples.push_back(static_cast<double>(read(sample)));
  return samples;
}

} // namespace

const Quantile& Summary::at(double p) const {
  const auto found = std::ranges::find(quantiles, p, &Quantile::p);
  MRUN_CHECK(found != quantiles.end());
  return *found;
}

Summary summarize(const Samples& samples, std::uint64_t seed) {
  Summary summary;
  summary.n = samples.size();
  Samples sorted = samples;
  std::sort(sorted.begin(), sorted.end());
  for (const double p : k_reported_quantiles)
    summary.quantiles.push_back(report_quantile(sorted, p));
  if (samples.empty()) return summary;
  summary.min = sorted.front();
  summary.max = sorted.back();
  summary.mean = mean_of(samples);
  double squares = 0;
  for (const double sample : samples)
    squares += (sample - summary.mean) * (sample - summary.mean);
  if (samples.size() > 1) summary.deviation = std::sqrt(squares / static_cast<double>(samples.size() - 1));
  if (summary.at(0.5).enough) summary.median = median_interval(samples, k_confidence, seed);
  summary.outliers = find_outliers(samples);
  summary.drift = find_drift(samples);
  return summary;
}

Samples ColdPart::totals() const {
  return collect(runs, [](const ColdRun& run) { return run.total_ns(); });
}
Samples ColdPart::memory() const {
  return collect(runs, [](const ColdRun& run) { return run.sample.server.peak_memory_bytes; });
}

Samples WarmPart::latencies() const {
  return of_successes(samples, [](const Sample& sample) { return sample.latency_ns(); });
}
Samples WarmPart::overheads() const {
  return of_successes(samples,
                      [](const Sample& sample) { return sample.latency_ns() - sample.server.total_ns; });
}
Samples WarmPart::first_outputs() const {
  Samples found;
  for (const Sample& sample : samples)
    if (sample.first_output_ns >= 0)
      found.push_back(static_cast<double>(sample.first_output_ns - sample.scheduled_ns));
  return found;
}

std::string_view step_kind_name(StepKind kind) {
  constexpr std::string_view k_names[] = {"closed", "poisson", "constant"};
  return k_names[static_cast<std::size_t>(kind)];
}

std::string LoadStep::name() const {
  return kind == StepKind::closed ? fmt::format("closed {}", concurrency)
                                  : fmt::format("{} {:.4g}/s", step_kind_name(kind), rate);
}

std::size_t LoadStep::count(Outcome outcome) const {
  return static_cast<std::size_t>(std::ranges::count(samples, outcome, &Sample::outcome));
}

double LoadStep::error_rate() const {
  // What a saturated step left in the queue when it was stopped has not failed.
  const std::size_t due = samples.size() + dropped - count(Outcome::pending);
  if (due == 0) return 0;
  return static_cast<double>(due - count(Outcome::succeeded)) / static_cast<double>(due);
}

Samples LoadStep::latencies() const {
  return of_successes(samples, [](const Sample& sample) { return sample.latency_ns(); });
}
Samples LoadStep::queues() const {
  return of_successes(samples, [](const Sample& sample) { return sample.server.phases[Phase::queue]; });
}
Samples LoadStep::predicts() const {
  return of_successes(samples, [](const Sample& sample) { return sample.server.phases[Phase::predict]; });
}

void BenchResult::note(const std::string& part, const Sample& sample) {
  constexpr std::size_t k_max_kinds = 20;
  if (sample.outcome == Outcome::pending) return;
  PartCount& count = parts[part];
  ++count.ended;
  count.cold_starts += sample.server.cold_start ? 1 : 0;
  if (sample.outcome == Outcome::succeeded) return;
  ++count.failed;
  const auto kind = [&](std::string_view problem) {
    return std::ranges::find_if(
        failures, [&](const Failure& known) { return known.part == part && known.problem == problem; });
  };
  auto found = kind(sample.problem);
  const std::string problem = found != failures.end() || failures.size() < k_max_kinds
                                  ? sample.problem
                                  : std::string("of other kinds than those shown");
  if (problem != sample.problem) found = kind(problem);
  if (found == failures.end())
    failures.push_back({part, 1, problem});
  else
    ++found->count;
}

} // namespace mrun::bench
