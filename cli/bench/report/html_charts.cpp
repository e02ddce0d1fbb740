#include "cli/bench/report/html_charts.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/bench/report/escape.h"
#include "cli/bench/report/svg_plot.h"
#include "cli/bench/report/words.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_max_bars = 40;
constexpr std::size_t k_max_curve_points = 400;

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

} // namespace

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

} // namespace mrun::bench
