#include "kernels/top_k/top_k.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

namespace mrun::kernels {

void top_k(const float* in, std::size_t count, std::size_t k, std::int64_t* indices) {
  std::vector<std::int64_t> order(count);
  std::iota(order.begin(), order.end(), 0);
  const auto before = [in](std::int64_t a, std::int64_t b) {
    const bool a_nan = std::isnan(in[a]);
    const bool b_nan = std::isnan(in[b]);
    if (a_nan != b_nan) return b_nan;
    if (!a_nan && in[a] != in[b]) return in[a] > in[b];
    return a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(k), order.end(), before);
  std::copy_n(order.begin(), k, indices);
}

} // namespace mrun::kernels
