#include "cli/bench/report/svg_plot.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/bench/report/escape.h"

namespace mrun::bench {
namespace {

// The picture's own units; it is scaled to the page's width.
constexpr double k_width = 480, k_height = 300;
constexpr double k_left = 62, k_right = 14, k_top = 24, k_bottom = 44;
constexpr double k_bar_left = 34, k_bar_right = 62, k_bar_pitch = 20, k_bar_height = 14;

double place(double value, double low, double high, bool logarithmic) {
  if (logarithmic) {
    value = std::log(std::max(value, low));
    low = std::log(low);
    high = std::log(high);
  }
  return high > low ? std::clamp((value - low) / (high - low), 0.0, 1.0) : 0;
}

class Canvas {
 public:
  explicit Canvas(const Plot& plot) : m_plot(plot) {}

  double x(double value) const {
    return k_left + (k_width - k_left - k_right) * place(value, m_plot.x_low, m_plot.x_high, m_plot.x_log);
  }
  double y(double value) const {
    return k_height - k_bottom -
           (k_height - k_top - k_bottom) * place(value, m_plot.y_low, m_plot.y_high, m_plot.y_log);
  }

  void line(std::string_view style, double x1, double y1, double x2, double y2) {
    m_text += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\"/>",
                          style, x1, y1, x2, y2);
  }
  void text(std::string_view anchor, double at_x, double at_y, std::string_view words,
            std::string_view style = "t") {
    m_text += fmt::format("<text class=\"{}\" x=\"{:.1f}\" y=\"{:.1f}\" text-anchor=\"{}\">{}</text>", style,
                          at_x, at_y, anchor, xml_escape(words));
  }
  void axes() {
    for (const Tick& tick : m_plot.y_ticks) {
      line("grid", k_left, y(tick.at), k_width - k_right, y(tick.at));
      text("end", k_left - 6, y(tick.at) + 4, tick.label);
    }
    for (const Tick& tick : m_plot.x_ticks) {
      line("grid", x(tick.at), k_top, x(tick.at), k_height - k_bottom);
      text("middle", x(tick.at), k_height - k_bottom + 16, tick.label);
    }
    line("axis", k_left, k_height - k_bottom, k_width - k_right, k_height - k_bottom);
    line("axis", k_left, k_top, k_left, k_height - k_bottom);
    text("middle", (k_left + k_width - k_right) / 2, k_height - 8, m_plot.x_label, "t label");
    m_text += fmt::format("<text class=\"t label\" transform=\"translate(13,{:.1f}) rotate(-90)\" "
                          "text-anchor=\"middle\">{}</text>",
                          (k_top + k_height - k_bottom) / 2, xml_escape(m_plot.y_label));
  }
  void guide(const Guide& guide) {
    if (guide.vertical) {
      line("guide", x(guide.at), k_top, x(guide.at), k_height - k_bottom);
      text(x(guide.at) > k_width * 0.8 ? "end" : "middle", x(guide.at), k_top - 8, guide.label,
           "t guide-text");
    } else {
      line("guide", k_left, y(guide.at), k_width - k_right, y(guide.at));
      text("start", k_left + 4, y(guide.at) - 4, guide.label, "t guide-text");
    }
  }
  void series(const Series& series) {
    std::string path;
    double last_y = 0;
    for (std::size_t i = 0; i < series.points.size(); ++i) {
      const double at_x = x(series.points[i].x);
      const double at_y = y(series.points[i].y);
      if (i > 0 && series.steps) path += fmt::format("L{:.1f} {:.1f}", at_x, last_y);
      path += fmt::format("{}{:.1f} {:.1f}", i == 0 ? "M" : "L", at_x, at_y);
      last_y = at_y;
    }
    m_text += fmt::format("<path class=\"line {}\" d=\"{}\"/>", series.style, path);
    if (!series.markers) return;
    for (const PlotPoint& point : series.points)
      m_text += fmt::format("<circle class=\"dot {}\" cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3.5\"/>", series.style,
                            x(point.x), y(point.y));
  }
  const std::string& text() const { return m_text; }

 private:
  const Plot& m_plot;
  std::string m_text;
};

std::string legend(const std::vector<Series>& all) {
  std::string text;
  for (const Series& series : all)
    if (!series.points.empty())
      text += fmt::format("<span class=\"key\"><i class=\"{}\"></i>{}</span>", series.style,
                          xml_escape(series.label));
  return text.empty() ? text : "<p class=\"legend\">" + text + "</p>";
}

} // namespace

std::vector<double> round_ticks(double low, double high, std::size_t count) {
  std::vector<double> ticks;
  if (!(high > low) || count == 0) return ticks;
  const double rough = (high - low) / static_cast<double>(count);
  const double power = std::pow(10.0, std::floor(std::log10(rough)));
  double step = power;
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    step = factor * power;
    if (step >= rough) break;
  }
  for (double at = std::ceil(low / step) * step; at <= high * (1 + 1e-9); at += step)
    ticks.push_back(at);
  return ticks;
}

std::vector<double> log_ticks(double low, double high) {
  std::vector<double> ticks;
  for (double power = std::pow(10.0, std::floor(std::log10(low))); power <= high; power *= 10)
    for (const double factor : {1.0, 2.0, 5.0})
      if (power * factor >= low * (1 - 1e-9) && power * factor <= high * (1 + 1e-9))
        ticks.push_back(power * factor);
  return ticks;
}

std::string svg_plot(const Plot& plot) {
  Canvas canvas(plot);
  canvas.axes();
  for (const Series& series : plot.series)
    if (!series.points.empty()) canvas.series(series);
  for (const Guide& guide : plot.guides)
    canvas.guide(guide);
  return fmt::format("{}<svg class=\"plot\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"{}\">{}</svg>",
                     legend(plot.series), k_width, k_height, xml_escape(plot.title), canvas.text());
}

std::string svg_bars(const std::string& title, const std::vector<Bar>& bars) {
  double longest = 0;
  for (const Bar& bar : bars) {
    double sum = 0;
    for (const BarPart& part : bar.parts)
      sum += part.value;
    longest = std::max(longest, sum);
  }
  if (longest <= 0) return {};
  const double scale = (k_width - k_bar_left - k_bar_right) / longest;
  std::string text;
  double at_y = 4;
  for (const Bar& bar : bars) {
    double at_x = k_bar_left;
    text += fmt::format("<text class=\"t\" x=\"{}\" y=\"{:.1f}\" text-anchor=\"end\">{}</text>",
                        k_bar_left - 6, at_y + 11, xml_escape(bar.label));
    for (const BarPart& part : bar.parts) {
      const double width = part.value * scale;
      if (width <= 0) continue;
      text += fmt::format("<rect class=\"{}\" x=\"{:.2f}\" y=\"{:.1f}\" width=\"{:.2f}\" "
                          "height=\"{}\"><title>{}</title></rect>",
                          part.style, at_x, at_y, width, k_bar_height,
                          xml_escape(part.label + " " + part.value_text));
      at_x += width;
    }
    text += fmt::format("<text class=\"t\" x=\"{:.1f}\" y=\"{:.1f}\">{}</text>", at_x + 6, at_y + 11,
                        xml_escape(bar.total_text));
    at_y += k_bar_pitch;
  }
  return fmt::format("<svg class=\"plot\" viewBox=\"0 0 {} {:.0f}\" role=\"img\" aria-label=\"{}\">{}</svg>",
                     k_width, at_y + 2, xml_escape(title), text);
}

} // namespace mrun::bench
