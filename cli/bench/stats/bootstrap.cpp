#include "cli/bench/stats/bootstrap.h"

#include <algorithm>

#include "common/error.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_max_resampled = 200;

// The median of a resample is at most the j-th smallest sample when at least half of the draws are:
// P = P(Binomial(n, j/n) >= k). So its distribution is known without drawing (Efron 1979, section 3). Returns
// the sample at which it passes `probability`.
double exact_replicate(std::span<const double> sorted, double probability) {
  const std::size_t n = sorted.size();
  std::size_t low = 1;
  std::size_t high = n;
  while (low < high) {
    const std::size_t middle = (low + high) / 2;
    const double below =
        binomial_at_least(n, (n + 1) / 2, static_cast<double>(middle) / static_cast<double>(n));
    if (below >= probability)
      high = middle;
    else
      low = middle + 1;
  }
  return sorted[low - 1];
}

} // namespace

void resample(std::span<const double> samples, Random& random, Samples& out) {
  out.resize(samples.size());
  for (double& value : out)
    value = samples[random.below(samples.size())];
}

Interval percentile_interval(Samples replicates, double confidence) {
  const double tail = (1 - confidence) / 2;
  std::sort(replicates.begin(), replicates.end());
  return {quantile_of_sorted(replicates, tail), quantile_of_sorted(replicates, 1 - tail)};
}

Interval median_interval(std::span<const double> samples, double confidence, std::uint64_t seed) {
  MRUN_CHECK(!samples.empty());
  if (samples.size() > k_max_resampled) {
    Samples sorted(samples.begin(), samples.end());
    std::sort(sorted.begin(), sorted.end());
    const double tail = (1 - confidence) / 2;
    return {exact_replicate(sorted, tail), exact_replicate(sorted, 1 - tail)};
  }
  Random random(seed);
  Samples drawn;
  Samples medians(k_resamples);
  for (double& median : medians) {
    resample(samples, random, drawn);
    median = quantile_of(std::move(drawn), 0.5);
    drawn = {};
  }
  return percentile_interval(std::move(medians), confidence);
}

} // namespace mrun::bench
