#include "cli/bench/stats/outliers.h"

#include <cmath>

namespace mrun::bench {
namespace {

constexpr double k_threshold = 14.826;
constexpr std::size_t k_least_samples = 4;

} // namespace

Outliers find_outliers(std::span<const double> samples) {
  Outliers found;
  if (samples.size() < k_least_samples) return found;
  const double median = median_of(Samples(samples.begin(), samples.end()));
  Samples distances;
  for (const double sample : samples)
    distances.push_back(std::abs(sample - median));
  const double deviation = median_of(distances);
  if (deviation == 0) return found;
  for (const double distance : distances)
    if (distance / deviation > k_threshold) ++found.count;
  found.slow_first = samples[0] > median && distances[0] / deviation > k_threshold;
  return found;
}

} // namespace mrun::bench
