// Notices while a load runs that the server can't keep up: then more of the same load measures only patience.
#pragma once

#include <cstdint>

#include "cli/bench/stats/quantile.h"

namespace mrun::bench {

// Fed four times a second with what is in flight and the mean latency of what was answered since.
class SaturationWatch {
 public:
  static constexpr std::int64_t k_period_ns = 250'000'000;

  void add(double in_flight, double latency_ns);
  // Both have grown significantly (t > 4 of a straight line through the last 5 s), by more than 10 requests
  // and a third of the latency.
  bool saturated() const;

 private:
  Samples m_times;
  Samples m_in_flight;
  Samples m_latency_ns;
};

} // namespace mrun::bench
