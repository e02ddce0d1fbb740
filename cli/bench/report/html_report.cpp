#include "cli/bench/report/html_report.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "cli/bench/report/escape.h"
#include "cli/bench/report/html_style.h"
#include "cli/bench/report/svg_plot.h"
#include "cli/bench/report/words.h"
#include "common/build_info.h"
#include "common/clock.h"
#include "common/text.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_max_bars = 40;
constexpr std::size_t k_max_curve_points = 400;

std::string heading(std::string_view words) {
  return fmt::format("<h2>{}</h2>\n", xml_escape(words));
}

std::string table(const std::vector<std::string>& header, const std::vector<std::vector<std::string>>& rows,
                  bool last_is_long = false) {
  std::string text = "<div class=\"wide\"><table><tr>";
  const auto cell = [&](std::string_view tag, std::size_t i, const std::string& words) {
    const bool is_long = last_is_long && i + 1 == header.size();
    text += fmt::format("<{0}{1}>{2}</{0}>", tag, is_long ? " class=\"long\"" : "", xml_escape(words));
  };
  for (std::size_t i = 0; i < header.size(); ++i)
    cell("th", i, header[i]);
  text += "</tr>\n";
  for (const auto& row : rows) {
    text += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      cell("td", i, row[i]);
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

std::string card(const std::string& value, const std::string& label) {
  return fmt::format("<div class=\"card\"><b>{}</b><span>{}</span></div>\n", xml_escape(value),
                     xml_escape(label));
}

// The unit that suits the largest value of an axis.
struct TimeScale {
  double size = 1e6;
  std::string unit = "ms";
};
TimeScale scale_of(double largest_ns) {
  if (largest_ns >= 2e9) return {1e9, "s"};
  if (largest_ns >= 2e6) return {1e6, "ms"};
  return {1e3, "µs"};
}

std::vector<Tick> ticks_of(const std::vector<double>& values) {
  std::vector<Tick> ticks;
  for (const double value : values)
    ticks.push_back({value, fmt::format("{:g}", value)});
  return ticks;
}

// ---- head
// ----------------------------------------------------------------------------------------------------------

std::string verdict_badge(const BenchResult& result) {
  const std::string words = judged_words(result);
  return fmt::format("<span class=\"badge {}\">{}</span>", words == "VALID" ? "good" : "bad", words);
}

std::string list(std::string_view style, const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string text = fmt::format("<ul class=\"{}\">\n", style);
  for (const std::string& line : lines)
    text += fmt::format("<li>{}</li>\n", xml_escape(line));
  return text + "</ul>\n";
}

std::string cards(const BenchResult& result) {
  std::string text;
  const std::uint64_t seed = result.options.seed;
  if (result.cold)
    text += card(
        quantile_value(summarize(result.cold->totals(), seed).at(0.5)),
        fmt::format("cold start ({}), median of {}", tier_name(result.cold->tier), result.cold->runs.size()));
  if (result.warm) {
    const Summary summary = summarize(result.warm->latencies(), seed);
    text += card(quantile_value(summary.at(0.5)), "warm latency, p50");
    text += card(quantile_value(summary.at(0.95)), "warm latency, p95");
  }
  if (result.ceiling) text += card(fmt::format("{:.4g}/s", *result.ceiling), "throughput ceiling");
  if (result.knee) text += card(fmt::format("{:.4g}/s", *result.knee), "knee: highest good rate");
  if (result.cost)
    text += card(result.cost->per_1000
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
            list("bad", result.invalid_reasons);
  return text + cards(result);
}

// ---- cold
// ----------------------------------------------------------------------------------------------------------

std::string phase_legend(const ColdPart& part) {
  std::string text = "<p class=\"legend\">";
  for (const PhaseShare& share : phase_shares(part))
    text += fmt::format("<span class=\"key\"><i class=\"p-{}\"></i>{} {}</span>", share.name, share.name,
                        xml_escape(time_words(share.mean_ns)));
  return text + "</p>\n";
}

std::string phase_bars(const ColdPart& part, const std::string& title) {
  std::vector<Bar> bars;
  for (std::size_t i = 0; i < part.runs.size() && i < k_max_bars; ++i) {
    Bar bar;
    bar.label = std::to_string(i + 1);
    bar.total_text = time_words(static_cast<double>(part.runs[i].total_ns()));
    for (const PhaseShare& share : phases_of_run(part.runs[i]))
      bar.parts.push_back({"p-" + share.name, share.name, share.mean_ns, time_words(share.mean_ns)});
    bars.push_back(std::move(bar));
  }
  std::string text = svg_bars(title, bars);
  if (part.runs.size() > k_max_bars)
    text += fmt::format("<p class=\"soft\">The first {} of {} runs.</p>\n", k_max_bars, part.runs.size());
  return text;
}

std::string cold_section(const BenchResult& result) {
  const ColdPart& part = *result.cold;
  const Summary summary = summarize(part.totals(), result.options.seed);
  std::string text = heading(fmt::format("Cold start, {}", tier_name(part.tier)));
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
  return text + table({"", "least", "median", "most"}, rows);
}

// ---- warm
// ----------------------------------------------------------------------------------------------------------

// Points of the quantile function, dense at the tail: x is 1/(1 − p), as HdrHistogram plots it.
std::vector<PlotPoint> quantile_curve(Samples samples, double size) {
  std::vector<PlotPoint> points;
  if (samples.empty()) return points;
  std::sort(samples.begin(), samples.end());
  const auto n = static_cast<double>(samples.size());
  for (std::size_t i = 0; i <= k_max_curve_points; ++i) {
    const double inverse = std::pow(n, static_cast<double>(i) / static_cast<double>(k_max_curve_points));
    const double p = 1 - 1 / inverse;
    points.push_back({inverse, quantile_of_sorted(samples, std::max(p, 1e-9)) / size});
  }
  return points;
}

std::string percentile_plot(const Samples& fresh, const Samples& base) {
  double low = *std::min_element(fresh.begin(), fresh.end());
  double high = *std::max_element(fresh.begin(), fresh.end());
  std::size_t n = fresh.size();
  if (!base.empty()) {
    low = std::min(low, *std::min_element(base.begin(), base.end()));
    high = std::max(high, *std::max_element(base.begin(), base.end()));
    n = std::max(n, base.size());
  }
  const TimeScale scale = scale_of(high);
  Plot plot;
  plot.title = "latency by percentile";
  plot.x_label = "percentile";
  plot.y_label = "latency, " + scale.unit;
  plot.x_log = true;
  plot.x_low = 1;
  plot.x_high = std::max(10.0, static_cast<double>(n));
  for (const auto& [at, label] :
       {std::pair{1.0, "0"}, {2.0, "50"}, {10.0, "90"}, {100.0, "99"}, {1000.0, "99.9"}, {10000.0, "99.99"}})
    if (at <= plot.x_high) plot.x_ticks.push_back({at, label});
  plot.y_low = 0;
  plot.y_high = high / scale.size * 1.05;
  plot.y_log = high > 20 * low; // a stall would flatten all the rest
  if (plot.y_log) plot.y_low = low / scale.size * 0.9;
  plot.y_ticks = ticks_of(plot.y_log ? log_ticks(plot.y_low, plot.y_high) : round_ticks(0, plot.y_high, 6));
  plot.series.push_back({"this result", "s1", quantile_curve(fresh, scale.size), false, true});
  if (!base.empty())
    plot.series.push_back({"baseline", "base", quantile_curve(base, scale.size), false, true});
  return svg_plot(plot);
}

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
  std::string text = heading("Warm latency");
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
  return text + table({"", "n", "p50", "p90", "p95", "p99", "p99.9", "most"}, rows) + needs_words(summary);
}

// ---- load
// ----------------------------------------------------------------------------------------------------------

Series load_series(const BenchResult& result, bool closed, double p, double size, std::string label,
                   std::string style) {
  Series series{std::move(label), std::move(style), {}, true, false};
  for (const LoadStep& step : result.load) {
    if ((step.kind == StepKind::closed) != closed) continue;
    const Summary latency = summarize(step.latencies(), result.options.seed);
    if (latency.at(p).enough) series.points.push_back({step.achieved, latency.at(p).value / size});
  }
  return series;
}

std::string load_plot(const BenchResult& result) {
  double high_ns = 0;
  double low_ns = 1e18;
  double most = 0;
  for (const LoadStep& step : result.load) {
    const Summary latency = summarize(step.latencies(), result.options.seed);
    most = std::max(most, step.achieved);
    for (const double p : {0.5, 0.95})
      if (latency.at(p).enough) {
        high_ns = std::max(high_ns, latency.at(p).value);
        low_ns = std::min(low_ns, latency.at(p).value);
      }
  }
  if (high_ns <= 0 || most <= 0) return {};
  const auto limit = result.options.slo.quantiles_ns.find(0.95);
  const bool has_limit = limit != result.options.slo.quantiles_ns.end();
  if (has_limit) high_ns = std::max(high_ns, static_cast<double>(limit->second) * 1.1);
  const TimeScale scale = scale_of(high_ns);
  Plot plot;
  plot.title = "throughput and latency";
  plot.x_label = "answered per second";
  plot.y_label = "latency, " + scale.unit;
  plot.x_high = most * 1.08;
  plot.x_ticks = ticks_of(round_ticks(0, plot.x_high, 6));
  plot.y_log = high_ns > 20 * low_ns;
  plot.y_low = plot.y_log ? low_ns / scale.size * 0.8 : 0;
  plot.y_high = high_ns / scale.size * 1.1;
  plot.y_ticks = ticks_of(plot.y_log ? log_ticks(plot.y_low, plot.y_high) : round_ticks(0, plot.y_high, 6));
  plot.series = {load_series(result, false, 0.5, scale.size, "open loop p50", "s1"),
                 load_series(result, false, 0.95, scale.size, "open loop p95", "s2"),
                 load_series(result, true, 0.5, scale.size, "closed loop p50", "s4"),
                 load_series(result, true, 0.95, scale.size, "closed loop p95", "s3")};
  if (has_limit) plot.guides.push_back({false, static_cast<double>(limit->second) / scale.size, "SLO p95"});
  if (result.knee) plot.guides.push_back({true, *result.knee, "knee"});
  return svg_plot(plot);
}

std::string load_section(const BenchResult& result) {
  std::string text = heading("Load");
  text += "<p>Latency counts from when a request was due, not from when it could be sent.</p>\n" +
          load_plot(result);
  std::vector<std::vector<std::string>> rows;
  for (const LoadStep& step : result.load) {
    const Summary latency = summarize(step.latencies(), result.options.seed);
    const Summary queue = summarize(step.queues(), result.options.seed);
    std::string notes = step.saturated ? "saturated" : step.meets_slo ? "" : "misses the SLO";
    if (step.generator_late) notes += notes.empty() ? "generator late" : ", generator late";
    rows.push_back({step.name(), std::to_string(step.samples.size()), fmt::format("{:.4g}", step.achieved),
                    fmt::format("{:.4g}", step.goodput), quantile_value(latency.at(0.5)),
                    quantile_value(latency.at(0.95)), quantile_value(latency.at(0.99)),
                    quantile_value(queue.at(0.5)), fmt::format("{:.3g} %", step.error_rate() * 100),
                    std::to_string(step.dropped), time_words(static_cast<double>(step.late_send_p99_ns)),
                    notes});
  }
  return text + table({"step", "sent", "ok/s", "goodput/s", "p50", "p95", "p99", "queue p50", "errors",
                       "dropped", "late p99", ""},
                      rows, true);
}

// ---- verdicts, environment
// ----------------------------------------------------------------------------------------------------------

std::string compare_section(const Comparison& compare) {
  std::string text = heading("Against the baseline");
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
  return text +
         table({"", "base", "new", "change", "one-sided bounds", "tolerance", "p (Mann–Whitney)", "verdict"},
               rows, true);
}

std::string slo_section(const BenchResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const SloRow& row : result.slo)
    rows.push_back({row.what, row.limit, row.value, row.ok ? "ok" : "missed"});
  return heading("Service level") + table({"", "limit", "measured", ""}, rows);
}

std::string failures_section(const BenchResult& result) {
  std::vector<std::vector<std::string>> rows;
  for (const Failure& failure : result.failures)
    rows.push_back({failure.part, std::to_string(failure.count), failure.problem});
  return heading("Failed predictions") + table({"part", "count", "problem"}, rows, true);
}

std::string environment(const BenchResult& result) {
  const MachineFacts& machine = result.machine;
  std::string text = heading("Environment") + "<div class=\"wide\"><table class=\"facts\">\n";
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
  if (!result.warnings.empty()) body += heading("Warnings") + list("warn", result.warnings);
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
