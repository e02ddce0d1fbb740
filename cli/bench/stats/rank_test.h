// The Mann–Whitney U test. Information beside a verdict, never the verdict: a p-value says nothing of the
// size.
#pragma once

#include <span>

namespace mrun::bench {

// Two-sided p by the normal approximation with the tie and continuity corrections (Mann and Whitney 1947).
// 1 when one side is empty or all values are equal.
double mann_whitney_p(std::span<const double> a, std::span<const double> b);

// Two-sided p of a standard normal deviate.
double two_sided_p(double z);

} // namespace mrun::bench
