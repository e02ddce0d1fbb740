// The arithmetic of the softmax, the same to the last bit on every CPU and GPU.
//
// The sum of the exponentials is taken in fixed point: integers can be added in any order, so that any number
// of lanes or threads gives the same sum.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/host_device.h"

namespace mrun::kernels {

// exp(x) for x <= 0 within 1 ulp (Cephes' expf); 0 below -87, so that no result is subnormal.
MRUN_HOST_DEVICE float exp_of_negative(float x) {
  constexpr float rounder = 12582912.0f; // 1.5 x 2^23: adding it leaves an integer in the low bits
  const float clamped = x < -87.0f ? -87.0f : x;
  const float shifted = clamped * 1.44269504f + rounder;
  const float n = shifted - rounder;
  float r = clamped - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  const float power = p * (r * r) + r + 1.0f;
  const std::int32_t exponent = bits_as<std::int32_t>(shifted) - bits_as<std::int32_t>(rounder);
  const float result = bits_as<float>(bits_as<std::int32_t>(power) + exponent * (1 << 23));
  return x < -87.0f ? 0.0f : result;
}

// How many fraction bits the sum of `count` exponentials has: 40 up to 4 Mi of them, then fewer, so that 64
// bits hold it.
MRUN_HOST_DEVICE int sum_fraction_bits(std::size_t count) {
  int bits = 40;
  while (bits > 0 && count >> (62 - bits) != 0)
    --bits;
  return bits;
}

MRUN_HOST_DEVICE double sum_scale(std::size_t count) {
  return static_cast<double>(std::uint64_t{1} << sum_fraction_bits(count));
}

// An exponential as a fixed-point number, to the nearest; `scale` is sum_scale().
MRUN_HOST_DEVICE std::int64_t fixed_point(float exponential, double scale) {
  constexpr double rounder = 6755399441055744.0; // 1.5 x 2^52
  return bits_as<std::int64_t>(static_cast<double>(exponential) * scale + rounder) -
         bits_as<std::int64_t>(rounder);
}

MRUN_HOST_DEVICE float probability(float exponential, double total) {
  return static_cast<float>(static_cast<double>(exponential) / total);
}

} // namespace mrun::kernels
