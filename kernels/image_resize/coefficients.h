// The weights of one axis of a resampling, as Pillow's precompute_coeffs and normalize_coeffs_8bpc give them.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/image_resize/image_resize.h"

namespace mrun::kernels {

inline constexpr int k_resize_fraction_bits = 32 - 8 - 2;

// Output element begin + i of the axis is the sum of the input elements first[i] … first[i]+count[i]-1 times
// weights[i*stride] …, in fixed point, plus a half, rounded down, clipped to a byte. No elements: zero.
struct AxisWeights {
  int stride = 0;
  bool identity = false; // the output is the input: each element its own
  std::vector<int> first;
  std::vector<int> count;
  std::vector<std::int32_t> weights; // fixed point, k_resize_fraction_bits

  int size() const { return static_cast<int>(first.size()); }
  // The input elements that are read are in [in_begin(), in_end()).
  int in_begin() const;
  int in_end() const;
  // Renumbers the input, so that what was element `begin` is element 0.
  void renumber_from(int begin);
};

// The output elements [begin, end) of an axis of `out_size`. With `nearest`, or where both sizes are equal,
// each has one input element of weight 1 (or none, where Pillow's nearest leaves a zero).
AxisWeights axis_weights(int in_size, int out_size, ResizeFilter filter, int begin, int end);

} // namespace mrun::kernels
