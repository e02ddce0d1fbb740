// Small line charts as inline SVG: axes with ticks, series, guide lines. Colours are classes of the page's
// CSS, so that one picture serves light, dark and print.
#pragma once

#include <string>
#include <vector>

namespace mrun::bench {

struct PlotPoint {
  double x = 0;
  double y = 0;
};

struct Series {
  std::string label;
  std::string style; // a CSS class: "s1" … "s4", "base"
  std::vector<PlotPoint> points;
  bool markers = false;
  bool steps = false; // holds its value until the next point
};

struct Guide {
  bool vertical = false;
  double at = 0;
  std::string label;
};

struct Tick {
  double at = 0;
  std::string label;
};

struct Plot {
  std::string title; // read by screen readers
  std::string x_label, y_label;
  std::vector<Tick> x_ticks, y_ticks;
  bool x_log = false, y_log = false;
  double x_low = 0, x_high = 1, y_low = 0, y_high = 1;
  std::vector<Series> series;
  std::vector<Guide> guides;
};

// All text is escaped here. Empty series are left out.
std::string svg_plot(const Plot& plot);

// At most `count` round values (1, 2, 5 · 10^k) from `low` to `high`.
std::vector<double> round_ticks(double low, double high, std::size_t count);
// 1, 2, 5 · 10^k between them.
std::vector<double> log_ticks(double low, double high);

struct BarPart {
  std::string style; // class
  std::string label;
  double value = 0;
  std::string value_text;
};
struct Bar {
  std::string label;
  std::vector<BarPart> parts;
  std::string total_text;
};
// Horizontal stacked bars on one scale.
std::string svg_bars(const std::string& title, const std::vector<Bar>& bars);

} // namespace mrun::bench
