#include "cli/bench/stats/quantile.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "common/error.h"

namespace mrun::bench {
namespace {

constexpr double k_confidence = 0.95;
constexpr double k_median_confidence = 0.99;

std::size_t rank_of(double p, std::size_t n) {
  const double exact = p * static_cast<double>(n);
  const auto rank =
      static_cast<std::size_t>(std::ceil(exact - 1e-9)); // 0.95 · 20 is 19, not 19.000000000000004
  return std::clamp<std::size_t>(rank, 1, n);
}

// ln of the binomial probability of k among n.
double log_binomial(std::size_t n, std::size_t k, double p) {
  const auto real = [](std::size_t value) { return static_cast<double>(value); };
  return std::lgamma(real(n) + 1) - std::lgamma(real(k) + 1) - std::lgamma(real(n - k) + 1) +
         real(k) * std::log(p) + real(n - k) * std::log1p(-p);
}

} // namespace

double mean_of(std::span<const double> samples) {
  MRUN_CHECK(!samples.empty());
  return std::accumulate(samples.begin(), samples.end(), 0.0) / static_cast<double>(samples.size());
}

double median_of(Samples samples) {
  MRUN_CHECK(!samples.empty());
  const auto middle = samples.begin() + static_cast<std::ptrdiff_t>(samples.size() / 2);
  std::nth_element(samples.begin(), middle, samples.end());
  if (samples.size() % 2 == 1) return *middle;
  return (*middle + *std::max_element(samples.begin(), middle)) / 2;
}

double quantile_of_sorted(std::span<const double> sorted, double p) {
  MRUN_CHECK(!sorted.empty());
  const std::size_t n = sorted.size();
  if (p == 0.5 && n % 2 == 0) return (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
  return sorted[rank_of(p, n) - 1];
}

double quantile_of(Samples samples, double p) {
  MRUN_CHECK(!samples.empty());
  if (p == 0.5) return median_of(std::move(samples));
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(rank_of(p, samples.size()) - 1);
  std::nth_element(samples.begin(), at, samples.end());
  return *at;
}

std::size_t samples_needed(double p) {
  const double confidence = p <= 0.5 ? k_median_confidence : k_confidence;
  const double side = std::max(p, 1 - p);
  return static_cast<std::size_t>(std::ceil(std::log(1 - confidence) / std::log(side)));
}

double binomial_at_least(std::size_t n, std::size_t k, double p) {
  if (k == 0 || p >= 1) return 1;
  if (p <= 0) return 0;
  double sum = 0;
  for (std::size_t i = k; i <= n; ++i)
    sum += std::exp(log_binomial(n, i, p));
  return std::min(1.0, sum);
}

std::optional<Interval> quantile_interval(std::span<const double> sorted, double p, double confidence) {
  const std::size_t n = sorted.size();
  const double tail = (1 - confidence) / 2;
  // X, the number of samples below the true quantile, is binomial(n, p). The lower bound is the largest rank
  // l with P(X < l) <= tail, the upper one the smallest rank u with P(X >= u) <= tail.
  double below = 0;
  std::size_t low = 0;
  std::size_t high = 0;
  for (std::size_t k = 0; k <= n; ++k) {
    below += std::exp(log_binomial(n, k, p)); // P(X <= k)
    if (below <= tail) low = k + 1;
    if (1 - below <= tail && high == 0) high = k + 1;
  }
  if (low < 1 || high < 1 || high > n) return std::nullopt;
  return Interval{sorted[low - 1], sorted[high - 1]};
}

Quantile report_quantile(std::span<const double> sorted, double p) {
  Quantile quantile;
  quantile.p = p;
  quantile.needed = samples_needed(p);
  quantile.enough = sorted.size() >= quantile.needed;
  if (!quantile.enough) return quantile;
  quantile.value = quantile_of_sorted(sorted, p);
  quantile.interval = quantile_interval(sorted, p, k_confidence);
  return quantile;
}

} // namespace mrun::bench
