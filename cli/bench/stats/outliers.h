// Outliers are counted and shown, never dropped.
#pragma once

#include <cstddef>
#include <span>

#include "cli/bench/stats/quantile.h"

namespace mrun::bench {

struct Outliers {
  std::size_t count = 0;
  bool slow_first = false; // the first sample is one of them, above the median
};

// |x − median| / MAD > 14.826, ten robust standard deviations (hyperfine's rule). Of fewer than 4 samples, or
// where most are equal, none.
Outliers find_outliers(std::span<const double> samples);

} // namespace mrun::bench
