// Percentile bootstrap (Efron 1979), seeded.
#pragma once

#include <cstdint>
#include <span>

#include "cli/bench/stats/quantile.h"
#include "cli/bench/stats/random.h"

namespace mrun::bench {

inline constexpr std::size_t k_resamples = 10'000;

// Draws samples.size() values with replacement into `out`.
void resample(std::span<const double> samples, Random& random, Samples& out);

// The interval between the two tails of sorted or unsorted replicates.
Interval percentile_interval(Samples replicates, double confidence);

// Two-sided interval of the median. samples not empty. Of more than 200 samples the resamples'
// distribution is computed instead of drawn.
Interval median_interval(std::span<const double> samples, double confidence, std::uint64_t seed);

} // namespace mrun::bench
