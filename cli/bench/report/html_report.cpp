#include "cli/bench/report/html_report.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "cli/bench/report/escape.h"
#include "cli/bench/report/html_charts.h"
#include "cli/bench/report/html_parts.h"
#include "cli/bench/report/html_style.h"
#include "cli/bench/report/words.h"
#include "common/build_info.h"
#include "common/clock.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

// ---- head
// ----------------------------------------------------------------------------------------------------------

std::string verdict_badge(const BenchResult& result) {
  const std::string words = judged_words(result);
  return fmt::format("<span class=\"badge {}\">{}</span>", words == "VALID" ? "good" : "bad", words);
}

std::string cards(const BenchResult& result) {
  std::string text;
  const std::uint64_t seed = result.options.seed;
  if (result.cold)
    text += html_card(
        quantile_value(summarize(result.cold->totals(), seed).at(0.5)),
        fmt::format("cold start ({}), median of {}", tier_name(result.cold->tier), result.cold->runs.size()));
  if (result.warm) {
    const Summary summary = summarize(result.warm->latencies(), seed);
    text += html_card(quantile_value(summary.at(0.5)), "warm latency, p50");
    text += html_card(quantile_value(summary.at(0.95)), "warm latency, p95");
  }
  if (result.ceiling) text += html_card(fmt::format("{:.4g}/s", *result.ceiling), "throughput ceiling");
  if (result.knee) text += html_card(fmt::format("{:.4g}/s", *result.knee), "knee: highest good rate");
  if (result.cost)
    text += html_card(result.cost->per_1000
                          ? fmt::format("{} {}", result.cost->per_1000->text(), result.cost->currency)
                          : "unknown",
                      "cost per 1,000 predictions");
  return text.empty() ? text : "<div class=\"cards\">\n" + text + "</div>\n";
}

std::string head(const BenchResult& result) {
  std::string text =
      fmt::format("<h1>{} {}</h1>\n", xml_escape(result.subject.reference), verdict_badge(result));
  text += fmt::format("<p class=\"soft\">{} · {} · mrun {}</p>\n",
                      xml_escape(result.subject.digest.substr(0, 12)),
                      rfc3339_utc(result.created_ns).substr(0, 19) + "Z", xml_escape(build_id()));
  if (!result.invalid_reasons.empty())
    text += "<p class=\"bad\"><b>This result may not be believed:</b></p>\n" +
            html_list("bad", result.invalid_reasons);
  return text + cards(result);
}

// ---- cold
// ----------------------------------------------------------------------------------------------------------

std::string cold_section(const BenchResult& result) {
  const ColdPart& part = *result.cold;
  const Summary summary = summarize(part.totals(), result.options.seed);
  std::string text = html_heading(fmt::format("Cold start, {}", tier_name(part.tier)));
  text += fmt::format(
      "<p>{} runs, from opening the connection to the whole reply; the bars are the phases of each run, "
      "which add up to it.",
      part.runs.size());
  if (summary.median)
    text += fmt::format(" Median {} <span class=\"soft\">(95 %: {} to {})</span>.",
                        time_words(summary.at(0.5).value), time_words(summary.median->low),
                        time_words(summary.median->high));
  text += "</p>\n";
  if (part.runs.empty()) return text;
  text += phase_legend(part) + phase_bars(part, "phases of each cold run");
  if (result.compare && !result.compare->cold.runs.empty())
    text +=
        "<p>The baseline's:</p>\n" + phase_bars(result.compare->cold, "phases of the baseline's cold runs");
  std::vector<std::vector<std::string>> rows;
  rows.push_back(
      {"total", time_words(summary.min), quantile_value(summary.at(0.5)), time_words(summary.max)});
  const auto row = [&](const char* name, const std::function<std::optional<double>(const ColdRun&)>& read,
                       const std::function<std::string(double)>& words) {
    Samples values;
    for (const ColdRun& run : part.runs)
      if (const auto value = read(run)) values.push_back(*value);
    if (values.empty()) return;
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    rows.push_back({name, words(*low), words(median_of(values)), words(*high)});
  };
  const auto bytes = [](double value) { return format_bytes(static_cast<std::uint64_t>(value)); };
  const auto counter = [](const std::optional<std::uint64_t>& value) {
    return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
  };
  row(
      "peak memory",
      [](const ColdRun& run) {
        return std::optional(static_cast<double>(run.sample.server.peak_memory_bytes));
      },
      bytes);
  row("read from disk", [&](const ColdRun& run) { return counter(run.sample.server.read_bytes); }, bytes);
  row(
      "major page faults", [&](const ColdRun& run) { return counter(run.sample.server.major_faults); },
      [](double value) { return fmt::format("{:.0f}", value); });
  row(
      "in the page cache before", [](const ColdRun& run) { return run.residency_before; },
      [](double value) { return fmt::format("{:.1f} %", value * 100); });
  row(
      "connecting",
      [](const ColdRun& run) { return std::optional(static_cast<double>(run.sample.connect_ns)); },
      time_words);
  return text + html_table({"", "least", "median", "most"}, rows);
}

// ---- warm
// ----------------------------------------------------------------------------------------------------------

std::vector<std::string> summary_cells(const std::string& name, const Summary& summary) {
  std::vector<std::string> cells = {name, std::to_string(summary.n)};
  for (const Quantile& quantile : summary.quantiles)
    cells.push_back(quantile_value(quantile));
  cells.push_back(summary.n > 0 ? time_words(summary.max) : "–");
  return cells;
}

std::string needs_words(const Summary& summary) {
  std::string text;
  for (const Quantile& quantile : summary.quantiles)
    if (!quantile.enough)
      text += fmt::format("{}{} n≥{}", text.empty() ? "" : ", ", quantile_name(quantile.p), quantile.needed);
  return text.empty()
             ? text
             : fmt::format("<p class=\"soft\">– needs more samples: {}; here n={}.</p>\n", text, summary.n);
}

std::string warm_section(const BenchResult& result) {
  const WarmPart& part = *result.warm;
  const Samples latencies = part.latencies();
  std::string text = html_heading("Warm latency");
  text += fmt::format("<p>One client, one request after the other, {} of them after {} to warm up.</p>\n",
                      latencies.size(), part.warmup_requests);
  if (latencies.empty()) return text;
  text += percentile_plot(latencies, result.compare ? result.compare->warm_ns : Samples{});
  const std::uint64_t seed = result.options.seed;
  const Summary summary = summarize(latencies, seed);
  std::vector<std::vector<std::string>> rows = {
      summary_cells("latency", summary),
      summary_cells("outside of the daemon", summarize(part.overheads(), seed))};
  if (const Samples first = part.first_outputs(); !first.empty())
    rows.push_back(summary_cells("first output", summarize(first, seed)));
  return text + html_table({"", "n", "p50", "p90", "p95", "p99", "p99.9", "most"}, rows) +
         needs_words(summary);
}

// ---- load
// ----------------------------------------------------------------------------------------------------------

// What a reader must know of a step; no columns for what is nearly always nothing.
std::string step_notes(const LoadStep& step) {
  std::vector<std::string> notes;
  if (step.saturated) notes.emplace_back("saturated");
  if (!step.meets_slo && !step.saturated) notes.emplace_back("misses the SLO");
  if (step.generator_late)
    notes.push_back(fmt::format("sent {} late", time_words(static_cast<double>(step.late_send_p99_ns))));
  if (step.dropped > 0) notes.push_back(fmt::format("{} never sent", step.dropped));
  return fmt::format("{}", fmt::join(notes, ", "));
}

std::string load_section(const BenchResult& result) {
  std::string text = html_heading("Load");
  text += "<p>Latency counts from when a request was due, not from when it could be sent.</p>\n" +
          load_plot(result);
  std::vector<std::vector<std::string>> rows;
  for (const LoadStep& step : result.load) {
    const Summary latency = summarize(step.latencies(), result.options.seed);
    const Summary queue = summarize(step.queues(), result.options.seed);
    rows.push_back({step.name(), std::to_string(step.samples.size()), fmt::format("{:.4g}", step.achieved),
                    fmt::format("{:.4g}", step.goodput), quantile_value(latency.at(0.5)),
                    quantile_value(latency.at(0.95)), quantile_value(latency.at(0.99)),
                    quantile_value(queue.at(0.5)), fmt::format("{:.3g} %", step.error_rate() * 100),
                    step_notes(step)});
  }
  return text +
         html_table({"step", "sent", "ok/s", "goodput/s", "p50", "p95", "p99", "queue p50", "errors", ""},
                    rows, true);
}

// ---- verdicts, environment
// ----------------------------------------------------------------------------------------------------------

std::string compare_section(const Comparison& compare) {
  std::string text = html_heading("Against the baseline");
  text += fmt::format("<p>{} <span class=\"soft\">({})</span>, {}.</p>\n", xml_escape(compare.reference),
                      xml_escape(compare.digest.substr(0, 12)),
                      compare.interleaved ? "interleaved in the same run" : "measured earlier");
  std::vector<std::vector<std::string>> rows;
  for (const CompareRow& row : compare.rows) {
    const Judgement& judgement = row.judgement;
    rows.push_back({row.metric, value_words(row, judgement.base), value_words(row, judgement.fresh),
                    percent_words(judgement.ratio),
                    fmt::format("{} … {}", percent_words(judgement.interval.low),
                                percent_words(judgement.interval.high)),
                    row.gated ? fmt::format("±{:.3g} %", judgement.tolerance * 100) : "–",
                    fmt::format("{:.3g}", judgement.p), verdict_words(row)});
  }
  return text + html_table({"", "base", "new", "change", "one-sided bounds", "tolerance", "p (Mann–Whitney)",
                            "verdict"},
                           rows, true);
}

std::string slo_section(const BenchResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const SloRow& row : result.slo)
    rows.push_back({row.what, row.limit, row.value, row.ok ? "ok" : "missed"});
  return html_heading("Service level") + html_table({"", "limit", "measured", ""}, rows);
}

std::string failures_section(const BenchResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const Failure& failure : result.failures)
    rows.push_back({failure.part, std::to_string(failure.count), failure.problem});
  return html_heading("Failed predictions") + html_table({"part", "count", "problem"}, rows, true);
}

std::string environment(const BenchResult& result) {
  const MachineFacts& machine = result.machine;
  std::string text = html_heading("Environment") + "<div class=\"wide\"><table class=\"facts\">\n";
  const auto fact = [&](std::string_view name, const std::string& value) {
    if (!value.empty())
      text += fmt::format("<tr><td>{}</td><td>{}</td></tr>\n", xml_escape(name), xml_escape(value));
  };
  fact("model", fmt::format("{} sha256:{}", result.subject.model, result.subject.digest));
  fact("size", format_bytes(result.subject.size_bytes));
  fact("device", result.device);
  fact("CPU", fmt::format("{}, {} cores", machine.cpu, machine.cores));
  fact("governor", machine.governor);
  fact("memory", format_bytes(machine.memory_bytes));
  fact("GPU", fmt::format("{}", fmt::join(machine.gpus, ", ")));
  fact("kernel", machine.kernel);
  fact("store on", machine.file_system);
  fact("virtual", machine.virtualization);
  fact("container", machine.container);
  fact("fingerprint", machine.fingerprint);
  fact("seed", std::to_string(result.options.seed));
  fact("command", fmt::format("mrun {}", fmt::join(result.words, " ")));
  fact("result", result.id);
  if (result.cost) fact("cost per 1,000", cost_words(*result.cost));
  return text + "</table></div>\n";
}

} // namespace

std::string html_report(const BenchResult& result) {
  std::string body = head(result);
  if (result.compare && !result.compare->rows.empty()) body += compare_section(*result.compare);
  if (!result.slo.empty()) body += slo_section(result);
  if (result.cold) body += cold_section(result);
  if (result.warm) body += warm_section(result);
  if (!result.load.empty()) body += load_section(result);
  if (!result.failures.empty()) body += failures_section(result);
  if (!result.warnings.empty()) body += html_heading("Warnings") + html_list("warn", result.warnings);
  body += environment(result);
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
      "img-src data:\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n<title>mrun bench {}</title>\n<style>{}</style>\n</head>\n"
      "<body>\n<main>\n{}</main>\n</body>\n</html>\n",
      xml_escape(result.subject.reference), k_html_style, body);
}

} // namespace mrun::bench
