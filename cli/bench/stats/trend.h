// Whether something grows while it is measured: a drifting latency, a queue that never drains.
#pragma once

#include <span>

#include "cli/bench/stats/quantile.h"

namespace mrun::bench {

struct Slope {
  double per_unit = 0; // of y for one of x
  double t = 0;        // slope / its standard error; 0 for fewer than 3 points
};
// Least squares.
Slope fit_slope(std::span<const double> x, std::span<const double> y);

struct Drift {
  double change = 0; // of the whole run: 0.1 is 10 % slower at the end than at the beginning
  double p = 1;      // of "no trend"
  bool significant() const { return p < 0.01 && (change > 0.05 || change < -0.05); }
};
// Samples in the order of time: medians of up to 20 equal stretches, Theil–Sen slope, Mann–Kendall test.
// Fewer than 20 samples: no drift is claimed.
Drift find_drift(std::span<const double> samples);

} // namespace mrun::bench
