// When an open-loop generator sends: fixed before the run, so that a slow server can't slow its own load
// down.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace mrun::bench {

enum class Arrival { poisson, constant };
std::string_view arrival_name(Arrival arrival);

inline constexpr std::size_t k_max_arrivals = 2'000'000;

// Offsets in ns from the start, ascending, all below `duration_ns`. At most k_max_arrivals. rate > 0.
std::vector<std::int64_t> make_schedule(Arrival arrival, double rate_per_s, std::int64_t duration_ns,
                                        std::uint64_t seed);

} // namespace mrun::bench
