#include "cli/bench/load/schedule.h"

#include "cli/bench/stats/random.h"
#include "common/error.h"

namespace mrun::bench {

std::string_view arrival_name(Arrival arrival) {
  return arrival == Arrival::poisson ? "poisson" : "constant";
}

std::vector<std::int64_t> make_schedule(Arrival arrival, double rate_per_s, std::int64_t duration_ns,
                                        std::uint64_t seed) {
  MRUN_CHECK(rate_per_s > 0);
  const double gap_ns = 1e9 / rate_per_s;
  Random random(seed);
  std::vector<std::int64_t> offsets;
  double at_ns = arrival == Arrival::poisson ? gap_ns * random.exponential() : 0;
  while (at_ns < static_cast<double>(duration_ns) && offsets.size() < k_max_arrivals) {
    offsets.push_back(static_cast<std::int64_t>(at_ns));
    at_ns = arrival == Arrival::poisson ? at_ns + gap_ns * random.exponential()
                                        : gap_ns * static_cast<double>(offsets.size());
  }
  return offsets;
}

} // namespace mrun::bench
