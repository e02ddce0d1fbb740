#include "kernels/image_resize/passes.h"

namespace mrun::kernels {
namespace {

// One input row to one output row.
template<int Channels>
MRUN_INLINE void horizontal_row(const std::uint8_t* in, const AxisWeights& axis, std::uint8_t* out) {
  for (int x = 0; x < axis.size(); ++x) {
    const std::size_t at = static_cast<std::size_t>(x);
    const std::uint8_t* pixel = in + static_cast<std::size_t>(axis.first[at]) * Channels;
    const std::int32_t* weights = axis.weights.data() + at * static_cast<std::size_t>(axis.stride);
    std::int32_t sums[Channels];
    for (int c = 0; c < Channels; ++c)
      sums[c] = k_resize_half;
    for (int i = 0; i < axis.count[at]; ++i, pixel += Channels)
      for (int c = 0; c < Channels; ++c)
        sums[c] += pixel[c] * weights[i];
    for (int c = 0; c < Channels; ++c)
      *out++ = resized_byte(sums[c]);
  }
}

MRUN_INLINE void horizontal_body(const HorizontalPass& pass) {
  const std::size_t out_bytes =
      static_cast<std::size_t>(pass.axis->size()) * static_cast<std::size_t>(pass.channels);
  for (std::size_t y = 0; y < static_cast<std::size_t>(pass.rows); ++y) {
    const std::uint8_t* in = pass.in.data + y * pass.in.row_bytes;
    std::uint8_t* out = pass.out + y * out_bytes;
    if (pass.channels == 1)
      horizontal_row<1>(in, *pass.axis, out);
    else if (pass.channels == 2)
      horizontal_row<2>(in, *pass.axis, out);
    else if (pass.channels == 3)
      horizontal_row<3>(in, *pass.axis, out);
    else
      horizontal_row<4>(in, *pass.axis, out);
  }
}

MRUN_INLINE void vertical_body(const VerticalPass& pass) {
  constexpr std::size_t block = 64;
  for (std::size_t y = 0; y < static_cast<std::size_t>(pass.axis->size()); ++y) {
    const std::uint8_t* in = pass.in.data + static_cast<std::size_t>(pass.axis->first[y]) * pass.in.row_bytes;
    const std::int32_t* weights = pass.axis->weights.data() + y * static_cast<std::size_t>(pass.axis->stride);
    const int count = pass.axis->count[y];
    std::uint8_t* out = pass.out + y * pass.width_bytes;
    std::size_t x = 0;
    for (; x + block <= pass.width_bytes; x += block) {
      std::int32_t sums[block];
      for (std::size_t i = 0; i < block; ++i)
        sums[i] = k_resize_half;
      const std::uint8_t* row = in + x;
      for (int tap = 0; tap < count; ++tap, row += pass.in.row_bytes)
        for (std::size_t i = 0; i < block; ++i)
          sums[i] += row[i] * weights[tap];
      for (std::size_t i = 0; i < block; ++i)
        out[x + i] = resized_byte(sums[i]);
    }
    vertical_bytes(in, pass.in.row_bytes, weights, count, x, pass.width_bytes, out);
  }
}

MRUN_CPU_DISPATCH(horizontal_plain, horizontal_body, HorizontalPass)
MRUN_CPU_DISPATCH(vertical_plain, vertical_body, VerticalPass)

} // namespace

void horizontal_pass(CpuIsa isa, const HorizontalPass& pass) {
#if defined(__x86_64__)
  if (isa == CpuIsa::avx512 && pass.channels >= 3) return horizontal_pass_avx512(pass);
  if (isa == CpuIsa::avx2 && pass.channels >= 3) return horizontal_pass_avx2(pass);
#endif
  horizontal_plain(isa, pass);
}

void vertical_pass(CpuIsa isa, const VerticalPass& pass) {
#if defined(__x86_64__)
  if (isa == CpuIsa::avx512) return vertical_pass_avx512(pass);
  if (isa == CpuIsa::avx2) return vertical_pass_avx2(pass);
#endif
  vertical_plain(isa, pass);
}

} // namespace mrun::kernels
