// Medians and percentiles of samples, with the number of samples that each of them needs.
//
// Quantiles are order statistics: the p-quantile of n samples is the ceil(p·n)-th smallest, a value that was
// really measured. The median of an even number is the mean of the two in the middle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

namespace mrun::bench {

using Samples = std::vector<double>;

struct Interval {
  double low = 0;
  double high = 0;
};

double mean_of(std::span<const double> samples); // samples not empty, here and below
double median_of(Samples samples);               // reorders its copy
double quantile_of_sorted(std::span<const double> sorted, double p);
double quantile_of(Samples samples, double p);

// How many samples a quantile needs before it may be reported: so many that the largest of them is above the
// true quantile with 95 % confidence, p^n <= 0.05 (MLPerf LoadGen's early stopping without a discarded
// sample); of the median, on which gates stand, with 99 %. p50 7, p90 29, p95 59, p99 299, p99.9 2995.
std::size_t samples_needed(double p);

// P(X >= k) of a binomial X.
double binomial_at_least(std::size_t n, std::size_t k, double p);

// Two-sided interval of the quantile by order statistics: the binomial distribution says between which ranks
// the true quantile lies. nullopt when n is too small for the confidence.
std::optional<Interval> quantile_interval(std::span<const double> sorted, double p, double confidence);

struct Quantile {
  double p = 0;
  std::size_t needed = 0;
  bool enough = false;              // n >= needed: only then is it reported
  double value = 0;                 // 0 unless `enough`
  std::optional<Interval> interval; // 95 %
};
Quantile report_quantile(std::span<const double> sorted, double p);

// The quantiles that reports show.
inline constexpr double k_reported_quantiles[] = {0.5, 0.9, 0.95, 0.99, 0.999};

} // namespace mrun::bench
