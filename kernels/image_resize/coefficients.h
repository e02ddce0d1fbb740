// The weights of one axis of a resampling, as Pillow's precompute_coeffs and normalize_coeffs_8bpc give them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/image_resize/image_resize.h"

namespace mrun::kernels {

inline constexpr int k_resize_fraction_bits = 32 - 8 - 2;

// Output element i is the sum of input elements first[i] … first[i]+count[i]-1 times weights[i*stride] ….
struct AxisWeights {
  int stride = 0;
  std::vector<int> first;
  std::vector<int> count;
  std::vector<std::int32_t> weights; // fixed point, k_resize_fraction_bits
};

// filter is not nearest.
AxisWeights axis_weights(int in_size, int out_size, ResizeFilter filter);

// The source index of each output index with nearest; -1 where Pillow leaves the output zero.
std::vector<int> nearest_indices(int in_size, int out_size);

} // namespace mrun::kernels
