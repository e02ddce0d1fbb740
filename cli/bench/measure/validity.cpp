#include "cli/bench/measure/validity.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/bench/measure/part_names.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_few_share = 100; // one of so many is few

void warn_of_shape(BenchResult& result, std::string_view part, const Summary& summary) {
  if (summary.outliers.slow_first)
    result.warnings.push_back(fmt::format("{}: the first one was much slower than the others", part));
  else if (summary.outliers.count > 0)
    result.warnings.push_back(fmt::format("{}: {} of {} are outliers: the machine was doing something else",
                                          part, summary.outliers.count, summary.n));
  if (summary.drift.significant())
    result.warnings.push_back(
        fmt::format("{}: drifted by {:+.0f} % while it was measured", part, summary.drift.change * 100));
}

void need_samples(BenchResult& result, std::string_view part, std::size_t n, std::string_view noun) {
  const std::size_t needed = samples_needed(0.5);
  if (n < needed)
    result.invalid_reasons.push_back(fmt::format("{}: {} {}, the median needs {}", part, n, noun, needed));
}

void judge_cold(BenchResult& result, const ColdPart& cold, std::string_view part) {
  need_samples(result, part, cold.runs.size(), cold.runs.size() == 1 ? "run" : "runs");
  std::string why;
  std::size_t warm = 0;
  for (const ColdRun& run : cold.runs)
    if (!run.not_cold.empty()) {
      ++warm;
      why = run.not_cold;
    }
  if (warm > 0)
    result.invalid_reasons.push_back(
        fmt::format("{}: {} of {} runs were not cold: {}", part, warm, cold.runs.size(), why));
  if (std::ranges::any_of(cold.runs, [](const ColdRun& run) { return run.client_ns() < 0; }))
    result.invalid_reasons.push_back(fmt::format("{}: the phases are longer than the whole", part));
  warn_of_shape(result, part, summarize(cold.totals(), result.options.seed));
}

void judge_step(BenchResult& result, const LoadStep& step) {
  if (step.generator_late)
    result.invalid_reasons.push_back(
        fmt::format("load {}: the generator was late: 1 % of the requests left over {} "
                    "after they were due",
                    step.name(), format_duration(step.late_send_p99_ns)));
  if (step.dropped > 0)
    result.invalid_reasons.push_back(fmt::format(
        "load {}: {} requests were never sent: no connection was free", step.name(), step.dropped));
  if (result.options.rates_given && step.is_overloaded())
    result.warnings.push_back(fmt::format("load {}: overloaded: {} of {} requests were refused", step.name(),
                                          step.count(Outcome::refused), step.due()));
  // One that was saturated measures the queue, and above the ceiling all are refused: both say so themselves.
  if (step.kind == StepKind::closed || (!step.saturated && result.options.rates_given))
    need_samples(result, "load " + step.name(), step.count(Outcome::succeeded), "answers");
}

// What was to be warm and waited for a load tells of loads: another model took the memory, or a worker died.
// A load may have its workers started as it grows.
void judge_warmth(BenchResult& result) {
  for (const auto& [name, count] : result.parts) {
    const bool is_load = name.starts_with(k_load_prefix);
    if (count.cold_starts == 0 || (!is_load && name != k_warm_part && name != part_name(k_warm_part, true)))
      continue;
    std::string words =
        fmt::format("{}: {} of {} answers were cold starts", name, count.cold_starts, count.ended);
    const bool is_few = is_load && count.cold_starts * k_few_share <= count.ended;
    (is_few ? result.warnings : result.invalid_reasons).push_back(std::move(words));
  }
}

} // namespace

void judge_validity(BenchResult& result) {
  if (!result.stopped.empty())
    result.invalid_reasons.push_back("it ended early: " + result.stopped);
  else if (result.partial)
    result.invalid_reasons.emplace_back("interrupted: it is partial");
  if (!result.cold && !result.warm && result.load.empty() && !result.partial)
    result.invalid_reasons.emplace_back("nothing was measured: the first prediction failed");
  if (result.cold) judge_cold(result, *result.cold, "cold");
  if (result.compare && result.compare->interleaved && !result.compare->cold.runs.empty())
    judge_cold(result, result.compare->cold, "cold, baseline");
  if (result.warm) {
    const Samples latencies = result.warm->latencies();
    need_samples(result, "warm", latencies.size(), "answers");
    warn_of_shape(result, "warm", summarize(latencies, result.options.seed));
    if (!result.warm->settled)
      result.warnings.emplace_back("warm: it never became steady within 60 s of warm-up");
  }
  for (const LoadStep& step : result.load)
    judge_step(result, step);
  judge_warmth(result);
  const std::string& governor = result.machine.governor;
  if (!governor.empty() && governor != "performance")
    result.warnings.push_back(
        fmt::format("the CPU's governor is `{}`: clocks change while it is measured", governor));
  if (result.cold && result.options.tier != Tier::process && !result.machine.virtualization.empty())
    result.warnings.emplace_back("this is a virtual machine: its host may still serve reads from memory");
  if (!result.options.strict) return;
  for (const std::string& warning : result.warnings)
    result.invalid_reasons.push_back("strict: " + warning);
}

} // namespace mrun::bench
