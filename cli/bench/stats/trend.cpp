#include "cli/bench/stats/trend.h"

#include <algorithm>
#include <cmath>

#include "cli/bench/stats/rank_test.h"
#include "common/error.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_stretches = 20;

} // namespace

Slope fit_slope(std::span<const double> x, std::span<const double> y) {
  MRUN_CHECK(x.size() == y.size());
  if (x.size() < 3) return {};
  const double mean_x = mean_of(x);
  const double mean_y = mean_of(y);
  double xx = 0;
  double xy = 0;
  double yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  if (xx <= 0) return {};
  const double slope = xy / xx;
  const double residual = std::max(0.0, yy - slope * xy);
  const double error = std::sqrt(residual / static_cast<double>(x.size() - 2) / xx);
  if (error <= 0) return {slope, slope == 0 ? 0 : std::copysign(1e9, slope)};
  return {slope, slope / error};
}

Drift find_drift(std::span<const double> samples) {
  if (samples.size() < k_stretches) return {};
  Samples medians;
  for (std::size_t i = 0; i < k_stretches; ++i) {
    const auto part =
        samples.subspan(i * samples.size() / k_stretches,
                        (i + 1) * samples.size() / k_stretches - i * samples.size() / k_stretches);
    medians.push_back(median_of(Samples(part.begin(), part.end())));
  }
  Samples slopes;
  double score = 0;
  for (std::size_t i = 0; i < k_stretches; ++i)
    for (std::size_t j = i + 1; j < k_stretches; ++j) {
      slopes.push_back((medians[j] - medians[i]) / static_cast<double>(j - i));
      score += medians[j] > medians[i] ? 1 : medians[j] < medians[i] ? -1 : 0;
    }
  const double level = median_of(medians);
  if (level <= 0 || score == 0) return {};
  constexpr auto n = static_cast<double>(k_stretches);
  const double variance = n * (n - 1) * (2 * n + 5) / 18;
  const double z = (score > 0 ? score - 1 : score + 1) / std::sqrt(variance);
  return {median_of(std::move(slopes)) * (n - 1) / level, two_sided_p(z)};
}

} // namespace mrun::bench
