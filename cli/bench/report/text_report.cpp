#include "cli/bench/report/text_report.h"

#include <fmt/format.h>

#include "cli/bench/report/words.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

std::string interval_words(const std::optional<Interval>& interval) {
  if (!interval) return {};
  return fmt::format("  [{}, {}]", time_words(interval->low), time_words(interval->high));
}

std::string median_words(const Summary& summary) {
  const Quantile& median = summary.at(0.5);
  if (!median.enough) return fmt::format("median – (needs n≥{}, have {})", median.needed, summary.n);
  return fmt::format("median {}{}", time_words(median.value), interval_words(summary.median));
}

std::string head(const cli::Terminal& terminal, const BenchResult& result) {
  const std::string verdict = judged_words(result);
  std::string line = fmt::format("{} @{}", result.subject.model, result.subject.digest.substr(0, 12));
  line +=
      fmt::format("  {} · {} cores · {}", result.machine.cpu, result.machine.cores, result.machine.kernel);
  if (!result.device.empty()) line += " · " + result.device;
  line +=
      "  " + terminal.paint_out(verdict == "VALID" ? cli::Style::good : cli::Style::error, verdict) + "\n";
  return line;
}

std::string phase_line(const ColdPart& part) {
  std::string line;
  for (const PhaseShare& share : phase_shares(part))
    line += fmt::format("{}{} {}", line.empty() ? "" : " · ", share.name, time_words(share.mean_ns));
  return line;
}

std::string cold_text(const ColdPart& part, std::uint64_t seed) {
  const Summary summary = summarize(part.totals(), seed);
  std::string text =
      fmt::format("{:<15} {}", fmt::format("cold, {}", tier_name(part.tier)), median_words(summary));
  if (summary.n > 0)
    text += fmt::format("  min {}  max {}", time_words(summary.min), time_words(summary.max));
  text += fmt::format("  n={}\n", summary.n);
  if (part.runs.empty()) return text;
  text += fmt::format("  {}\n", phase_line(part));
  std::string facts =
      fmt::format("peak {}", format_bytes(static_cast<std::uint64_t>(median_of(part.memory()))));
  if (const auto bytes = median_read_bytes(part))
    facts += fmt::format(" · read {} from disk", format_bytes(static_cast<std::uint64_t>(*bytes)));
  if (const auto faults = median_major_faults(part)) facts += fmt::format(" · {:.0f} major faults", *faults);
  double resident = 0;
  for (const ColdRun& run : part.runs)
    resident = std::max(resident, run.residency_before.value_or(0));
  facts += fmt::format(" · at most {:.1f} % of its files in the page cache before", resident * 100);
  return text + "  " + facts + "\n";
}

std::string warm_text(const WarmPart& part, std::uint64_t seed) {
  const Summary summary = summarize(part.latencies(), seed);
  std::string text =
      fmt::format("{:<15} p50 {}{}", "warm", quantile_value(summary.at(0.5)), interval_words(summary.median));
  for (const double p : {0.9, 0.95, 0.99})
    text += "  " + quantile_words(summary.at(p), summary.n);
  text += fmt::format("  n={}\n", summary.n);
  const Summary overhead = summarize(part.overheads(), seed);
  if (overhead.at(0.5).enough)
    text += fmt::format("  outside of the daemon p50 {}", time_words(overhead.at(0.5).value));
  if (const Summary first = summarize(part.first_outputs(), seed); first.at(0.5).enough)
    text += fmt::format(" · first output p50 {}", time_words(first.at(0.5).value));
  return text + "\n";
}

std::string load_text(const BenchResult& result) {
  cli::Table table;
  table.header = {"load", "ok/s", "p50", "p95", "p99", "queue p50", "errors", "goodput/s", ""};
  table.right_aligned = {1, 2, 3, 4, 5, 6, 7};
  for (const LoadStep& step : result.load) {
    const Summary latency = summarize(step.latencies(), result.options.seed);
    const Summary queue = summarize(step.queues(), result.options.seed);
    std::string notes;
    const auto note = [&](bool is, std::string_view words) {
      if (is) notes += fmt::format("{}{}", notes.empty() ? "" : ", ", words);
    };
    note(step.saturated, "saturated");
    note(step.generator_late, "generator late");
    note(step.dropped > 0, fmt::format("{} dropped", step.dropped));
    note(!step.meets_slo && !step.saturated, "misses the SLO");
    table.rows.push_back({step.name(), fmt::format("{:.4g}", step.achieved), quantile_value(latency.at(0.5)),
                          quantile_value(latency.at(0.95)), quantile_value(latency.at(0.99)),
                          quantile_value(queue.at(0.5)), fmt::format("{:.3g} %", step.error_rate() * 100),
                          fmt::format("{:.4g}", step.goodput), notes});
  }
  std::string text = cli::render_table(table);
  std::string line;
  if (result.ceiling) line += fmt::format("ceiling {:.4g}/s", *result.ceiling);
  if (result.knee)
    line += fmt::format("{}knee {:.4g}/s{}", line.empty() ? "" : " · ", *result.knee,
                        result.options.slo.empty() ? "" : " @ " + result.options.slo.text());
  if (!line.empty()) text += line + "\n";
  return text;
}

std::string compare_text(const Comparison& compare, double confidence) {
  cli::Table table;
  table.header = {"vs " + printable(compare.reference, 60),
                  "base",
                  "new",
                  "change",
                  fmt::format("{:g} % bounds, one-sided", confidence * 100),
                  "verdict"};
  table.right_aligned = {1, 2, 3, 4};
  for (const CompareRow& row : compare.rows) {
    const Judgement& judgement = row.judgement;
    table.rows.push_back({row.metric, value_words(row, judgement.base), value_words(row, judgement.fresh),
                          percent_words(judgement.ratio),
                          fmt::format("[{}, {}]", percent_words(judgement.interval.low),
                                      percent_words(judgement.interval.high)),
                          verdict_words(row)});
  }
  return cli::render_table(table);
}

} // namespace

std::string text_report(const cli::Terminal& terminal, const BenchResult& result) {
  const std::uint64_t seed = result.options.seed;
  std::string text = head(terminal, result);
  for (const std::string& reason : result.invalid_reasons)
    text += fmt::format("  {} {}\n", terminal.paint_out(cli::Style::error, "invalid:"), reason);
  if (result.cold) text += cold_text(*result.cold, seed);
  if (result.warm) text += warm_text(*result.warm, seed);
  if (!result.load.empty()) text += load_text(result);
  if (result.cost) text += fmt::format("{:<15} {}\n", "cost per 1,000", cost_words(*result.cost));
  if (result.compare && !result.compare->rows.empty())
    text += compare_text(*result.compare, result.options.confidence);
  for (const SloRow& row : result.slo)
    text += fmt::format(
        "{} {}: {} (limit {})\n",
        terminal.paint_out(row.ok ? cli::Style::good : cli::Style::error, row.ok ? "slo ok  " : "slo miss"),
        row.what, row.value, row.limit);
  for (const Failure& failure : result.failures)
    text += fmt::format("{} {} × {}: {}\n", terminal.paint_out(cli::Style::error, "failed"), failure.count,
                        failure.part, failure.problem);
  for (const std::string& warning : result.warnings)
    text += fmt::format("{} {}\n", terminal.paint_out(cli::Style::note, "warning:"), warning);
  return text;
}

} // namespace mrun::bench
