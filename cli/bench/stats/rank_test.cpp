#include "cli/bench/stats/rank_test.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

namespace mrun::bench {

double two_sided_p(double z) {
  return std::erfc(std::abs(z) / std::sqrt(2.0));
}

double mann_whitney_p(std::span<const double> a, std::span<const double> b) {
  if (a.empty() || b.empty()) return 1;
  std::vector<std::pair<double, bool>> all; // value, of a
  for (const double value : a)
    all.emplace_back(value, true);
  for (const double value : b)
    all.emplace_back(value, false);
  std::sort(all.begin(), all.end());
  double rank_sum = 0;
  double ties = 0; // Σ(t³ − t)
  for (std::size_t i = 0; i < all.size();) {
    std::size_t end = i;
    while (end < all.size() && all[end].first == all[i].first)
      ++end;
    const double shared_rank = static_cast<double>(i + 1 + end) / 2;
    for (std::size_t k = i; k < end; ++k)
      if (all[k].second) rank_sum += shared_rank;
    const auto t = static_cast<double>(end - i);
    ties += t * t * t - t;
    i = end;
  }
  const auto m = static_cast<double>(a.size());
  const auto n = static_cast<double>(b.size());
  const double total = m + n;
  const double u = rank_sum - m * (m + 1) / 2;
  const double variance = m * n / 12 * (total + 1 - ties / (total * (total - 1)));
  if (variance <= 0) return 1;
  const double distance = std::max(0.0, std::abs(u - m * n / 2) - 0.5);
  return std::min(1.0, two_sided_p(distance / std::sqrt(variance)));
}

} // namespace mrun::bench
