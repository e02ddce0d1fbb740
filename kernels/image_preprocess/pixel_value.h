// From a byte to a number of the network's input, on CPU and GPU alike.
#pragma once

#include <cstdint>

#include "kernels/cuda/host_device.h"

namespace mrun::kernels {

MRUN_HOST_DEVICE float pixel_value(int byte, float mean, float deviation) {
  const float unit = static_cast<float>(byte) / 255.0f;
  const float centred = unit - mean;
  return centred / deviation;
}

// To the nearest, ties to even; NaN stays NaN.
MRUN_HOST_DEVICE std::uint16_t bf16_bits(float value) {
  const std::uint32_t bits = bits_as<std::uint32_t>(value);
  if ((bits & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>(bits >> 16 | 0x40);
  return static_cast<std::uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

} // namespace mrun::kernels
