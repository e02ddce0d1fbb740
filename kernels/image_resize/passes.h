// The two passes of a resampling: plain, and by instruction set. All give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu_dispatch.h"
#include "kernels/image_resize/coefficients.h"

namespace mrun::kernels {

// A picture in memory: `row_bytes` from row to row, nothing may be read at or beyond `end`.
struct Pixels {
  const std::uint8_t* data = nullptr;
  std::size_t row_bytes = 0;
  const std::uint8_t* end = nullptr;
};

// Each of `rows` rows becomes axis->size() pixels wide.
struct HorizontalPass {
  Pixels in;
  int rows = 0, channels = 0;
  const AxisWeights* axis = nullptr;
  std::uint8_t* out = nullptr; // rows are axis->size() * channels bytes apart
};

// `width_bytes` bytes of each row; axis->size() rows come out.
struct VerticalPass {
  Pixels in;
  std::size_t width_bytes = 0;
  const AxisWeights* axis = nullptr;
  std::uint8_t* out = nullptr; // rows are width_bytes apart
};

void horizontal_pass(CpuIsa isa, const HorizontalPass& pass);
void vertical_pass(CpuIsa isa, const VerticalPass& pass);

// Only of those CPUs; channels is 3 or 4.
void horizontal_pass_avx2(const HorizontalPass& pass);
void vertical_pass_avx2(const VerticalPass& pass);
void horizontal_pass_avx512(const HorizontalPass& pass);
void vertical_pass_avx512(const VerticalPass& pass);

inline constexpr std::int32_t k_resize_half = 1 << (k_resize_fraction_bits - 1);

MRUN_INLINE std::uint8_t resized_byte(std::int32_t sum) {
  const std::int32_t value = sum >> k_resize_fraction_bits;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// The bytes [begin, end) of one output row of a vertical pass, one by one.
MRUN_INLINE void vertical_bytes(const std::uint8_t* in, std::size_t row_bytes, const std::int32_t* weights,
                                int count, std::size_t begin, std::size_t end, std::uint8_t* out) {
  for (std::size_t x = begin; x < end; ++x) {
    std::int32_t sum = k_resize_half;
    for (int y = 0; y < count; ++y)
      sum += in[static_cast<std::size_t>(y) * row_bytes + x] * weights[y];
    out[x] = resized_byte(sum);
  }
}

} // namespace mrun::kernels
