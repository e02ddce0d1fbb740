#include "cli/bench/measure/slo.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <fmt/format.h>

#include "cli/bench/measure/part_names.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

void add(BenchResult& result, std::vector<SloRow> rows) {
  std::ranges::move(rows, std::back_inserter(result.slo));
}

std::size_t failed_of(const BenchResult& result, std::string_view part) {
  const auto found = result.parts.find(std::string(part));
  return found == result.parts.end() ? 0 : found->second.failed;
}

} // namespace

std::vector<SloRow> latency_rows(const Slo& slo, const std::string& part, Samples successes,
                                 std::size_t missed) {
  const std::size_t n = successes.size() + missed;
  std::sort(successes.begin(), successes.end());
  successes.resize(n, std::numeric_limits<double>::infinity());
  std::vector<SloRow> rows;
  for (const auto& [p, limit_ns] : slo.quantiles_ns) {
    SloRow row{fmt::format("{} p{:g}", part, p * 100), format_duration(limit_ns), {}, false};
    if (n < samples_needed(p)) {
      row.value = fmt::format("needs n≥{}, have {}", samples_needed(p), n);
    } else {
      const double value = quantile_of_sorted(successes, p);
      row.ok = value <= static_cast<double>(limit_ns);
      row.value = std::isfinite(value) ? format_duration(static_cast<std::int64_t>(value))
                                       : fmt::format("{} of {} got no answer", missed, n);
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

SloRow error_rate_row(const Slo& slo, const std::string& part, double rate) {
  return {part + " error rate", fmt::format("{:g} %", *slo.error_rate * 100),
          fmt::format("{:.3g} %", rate * 100), rate <= *slo.error_rate};
}

void judge_parts(BenchResult& result) {
  const Slo& slo = result.options.slo;
  if (result.warm)
    add(result, latency_rows(slo, "warm", result.warm->latencies(), failed_of(result, k_warm_part)));
  else if (result.cold && !result.options.warm)
    add(result, latency_rows(slo, fmt::format("cold {}", tier_name(result.cold->tier)), result.cold->totals(),
                             failed_of(result, k_cold_part)));
  if (!slo.error_rate) return;
  for (auto& [name, part] : result.parts) {
    if (name.starts_with(k_load_prefix) || name.starts_with(k_probe_part)) continue;
    if (name.starts_with(k_warmup_part) && part.failed == 0) continue; // only a failure is worth a word
    part.judged = true;
    result.slo.push_back(
        error_rate_row(slo, name, static_cast<double>(part.failed) / static_cast<double>(part.ended)));
  }
}

} // namespace mrun::bench
