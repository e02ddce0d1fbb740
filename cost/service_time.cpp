#include "cost/service_time.h"

#include <algorithm>
#include <cmath>
#include <optional>

#include "common/error.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_pair_inputs = 12;
constexpr double k_gain = 0.9; // of the mean's error that a driver must stay below
constexpr char k_times = '*';

struct Line {
  double base = 0, slope = 0;
};

std::optional<double> value_of(const Drivers& drivers, const std::string& name) {
  const std::size_t star = name.find(k_times);
  const auto one = [&](const std::string& key) -> std::optional<double> {
    const auto found = drivers.find(key);
    return found == drivers.end() ? std::nullopt : std::optional(found->second);
  };
  if (star == std::string::npos) return one(name);
  const auto left = one(name.substr(0, star)), right = one(name.substr(star + 1));
  return left && right ? std::optional(*left * *right) : std::nullopt;
}

// Least squares, `left_out` (or none, when it is the size) not counted. A base below 0 would make small
// inputs free: then the line goes through 0.
Line fit_line(const std::vector<double>& x, const std::vector<double>& y, std::size_t left_out) {
  double n = 0, sum_x = 0, sum_y = 0, sum_xx = 0, sum_xy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    if (i == left_out) continue;
    n += 1;
    sum_x += x[i];
    sum_y += y[i];
    sum_xx += x[i] * x[i];
    sum_xy += x[i] * y[i];
  }
  if (n == 0) return {};
  const double spread = n * sum_xx - sum_x * sum_x;
  if (spread <= 1e-12 * n * sum_xx) return {sum_y / n, 0};
  const double slope = (n * sum_xy - sum_x * sum_y) / spread;
  if (slope <= 0) return {sum_y / n, 0};
  const double base = (sum_y - slope * sum_x) / n;
  return base >= 0 ? Line{base, slope} : Line{0, sum_xy / sum_xx};
}

double left_out_error(const std::vector<double>& x, const std::vector<double>& y) {
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const Line line = fit_line(x, y, i);
    sum += std::abs(y[i] - (line.base + line.slope * x[i]));
  }
  return sum;
}

std::vector<std::string> candidates(const Drivers& drivers) {
  std::vector<std::string> names;
  for (const auto& [name, value] : drivers)
    names.push_back(name);
  const std::size_t count = std::min(names.size(), k_max_pair_inputs);
  for (std::size_t i = 0; i < count; ++i)
    for (std::size_t j = i + 1; j < count; ++j)
      names.push_back(names[i] + k_times + names[j]);
  return names;
}

// One value a sample; nullopt when a sample lacks the driver.
std::optional<std::vector<double>> column(const std::vector<Sample>& samples, const std::string& name) {
  std::vector<double> values;
  for (const Sample& sample : samples) {
    const std::optional<double> value = value_of(sample.drivers, name);
    if (!value || !std::isfinite(*value)) return std::nullopt;
    values.push_back(*value);
  }
  return values;
}

} // namespace

Fit Fit::of(const std::vector<Sample>& samples) {
  MRUN_CHECK(!samples.empty());
  std::vector<double> y;
  for (const Sample& sample : samples)
    y.push_back(sample.value);
  const std::vector<double> nothing(y.size(), 0);
  Fit fit;
  fit.m_count = y.size();
  std::vector<double> best_x = nothing;
  double best = left_out_error(nothing, y) * k_gain;
  if (y.size() >= 3)
    for (const std::string& name : candidates(samples.front().drivers)) {
      const auto x = column(samples, name);
      if (!x) continue;
      const double error = left_out_error(*x, y);
      if (error >= best * (1 - 1e-9)) continue;
      best = error;
      best_x = *x;
      fit.m_driver = name;
    }
  const Line line = fit_line(best_x, y, y.size());
  fit.m_base = line.base;
  fit.m_slope = line.slope;
  fit.m_most = *std::max_element(best_x.begin(), best_x.end());
  for (std::size_t i = 0; i < y.size(); ++i)
    if (const double fitted = line.base + line.slope * best_x[i]; fitted > 0)
      fit.m_worst_ratio = std::max(fit.m_worst_ratio, y[i] / fitted);
  return fit;
}

Fitted Fit::at(const Drivers& drivers) const {
  const double x = m_driver.empty() ? 0 : value_of(drivers, m_driver).value_or(m_most);
  const double typical = m_base + m_slope * x;
  return {typical, typical * m_worst_ratio, !m_driver.empty() && x > 2 * m_most};
}

} // namespace mrun
