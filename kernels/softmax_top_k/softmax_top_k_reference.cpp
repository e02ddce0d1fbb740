#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "kernels/softmax_top_k/exponential.h"
#include "kernels/softmax_top_k/softmax_top_k.h"

namespace mrun::kernels {
namespace {

std::vector<float> probabilities(const float* in, std::size_t width) {
  std::vector<float> out(width, std::numeric_limits<float>::quiet_NaN());
  float largest = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < width; ++i) {
    if (std::isnan(in[i])) return out;
    largest = std::max(largest, in[i]);
  }
  if (std::isinf(largest)) return out;
  const double scale = sum_scale(width);
  std::int64_t sum = 0;
  for (std::size_t i = 0; i < width; ++i) {
    out[i] = exp_of_negative(in[i] - largest);
    sum += fixed_point(out[i], scale);
  }
  for (float& value : out)
    value = probability(value, static_cast<double>(sum) / scale);
  return out;
}

} // namespace

void softmax_top_k_reference(const SoftmaxTopKArguments& arguments) {
  for (std::size_t r = 0; r < arguments.rows; ++r) {
    const std::vector<float> all = probabilities(arguments.in + r * arguments.width, arguments.width);
    std::vector<std::size_t> order(all.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](std::size_t a, std::size_t b) { return all[a] > all[b]; });
    for (std::size_t i = 0; i < arguments.k; ++i) {
      arguments.indices[r * arguments.k + i] = static_cast<std::int64_t>(order[i]);
      arguments.scores[r * arguments.k + i] = all[order[i]];
    }
  }
}

} // namespace mrun::kernels
