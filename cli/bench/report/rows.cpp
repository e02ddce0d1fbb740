#include "cli/bench/report/rows.h"

#include <fmt/format.h>

#include "cli/bench/report/words.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

using Rows = std::vector<MetricRow>;

void add_summary(Rows& rows, const std::string& part, const std::string& prefix, const Summary& summary) {
  for (const Quantile& quantile : summary.quantiles) {
    const bool median = quantile.p == 0.5;
    rows.push_back({part, prefix + quantile_name(quantile.p), summary.n,
                    quantile.enough ? std::optional(quantile.value) : std::nullopt, "ns",
                    !quantile.enough ? std::nullopt
                    : median         ? summary.median
                                     : quantile.interval});
  }
}

void add_cold(Rows& rows, const ColdPart& part, std::uint64_t seed) {
  const std::string name = fmt::format("cold {}", tier_name(part.tier));
  add_summary(rows, name, "", summarize(part.totals(), seed));
  for (const PhaseShare& share : phase_shares(part))
    rows.push_back({name, "mean " + share.name, part.runs.size(), share.mean_ns, "ns", std::nullopt});
  if (!part.runs.empty())
    rows.push_back({name, "peak memory", part.runs.size(), median_of(part.memory()), "bytes", std::nullopt});
}

void add_step(Rows& rows, const LoadStep& step, std::uint64_t seed) {
  const std::string name = "load " + step.name();
  const auto add = [&](const char* metric, double value, const char* unit) {
    rows.push_back({name, metric, step.samples.size(), value, unit, std::nullopt});
  };
  add("achieved", step.achieved, "per_s");
  add("goodput", step.goodput, "per_s");
  add("error rate", step.error_rate(), "ratio");
  add_summary(rows, name, "", summarize(step.latencies(), seed));
}

} // namespace

std::vector<MetricRow> metric_rows(const BenchResult& result) {
  Rows rows;
  const std::uint64_t seed = result.options.seed;
  if (result.cold) add_cold(rows, *result.cold, seed);
  if (result.warm) {
    add_summary(rows, "warm", "", summarize(result.warm->latencies(), seed));
    add_summary(rows, "warm", "overhead ", summarize(result.warm->overheads(), seed));
    if (const Samples first = result.warm->first_outputs(); !first.empty())
      add_summary(rows, "warm", "first output ", summarize(first, seed));
  }
  for (const LoadStep& step : result.load)
    add_step(rows, step, seed);
  return rows;
}

std::string metric_words(const MetricRow& row) {
  if (!row.value) return "–";
  if (row.unit == "ns") return time_words(*row.value);
  if (row.unit == "bytes") return format_bytes(static_cast<std::uint64_t>(*row.value));
  if (row.unit == "per_s") return fmt::format("{:.4g}/s", *row.value);
  return fmt::format("{:.3g} %", *row.value * 100);
}

} // namespace mrun::bench
