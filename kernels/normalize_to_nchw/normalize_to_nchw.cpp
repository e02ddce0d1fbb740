#include "kernels/normalize_to_nchw/normalize_to_nchw.h"

#include <array>

namespace mrun::kernels {
namespace {

// A byte has 256 values, so a table per channel gives the three roundings without doing them per pixel.
using Table = std::array<float, 256>;

std::array<Table, 4> tables(int channels, const float* mean, const float* deviation) {
  std::array<Table, 4> all;
  for (std::size_t c = 0; c < static_cast<std::size_t>(channels); ++c)
    for (std::size_t value = 0; value < 256; ++value) {
      const float unit = static_cast<float>(value) / 255.0f;
      const float centred = unit - mean[c];
      all[c][value] = centred / deviation[c];
    }
  return all;
}

} // namespace

void normalize_to_nchw(const std::uint8_t* in, std::size_t pixels, int channels, const float* mean,
                       const float* deviation, float* out) {
  const std::array<Table, 4> all = tables(channels, mean, deviation);
  const std::size_t count = static_cast<std::size_t>(channels);
  for (std::size_t c = 0; c < count; ++c) {
    const Table& table = all[c];
    float* plane = out + c * pixels;
    for (std::size_t i = 0; i < pixels; ++i)
      plane[i] = table[in[i * count + c]];
  }
}

void normalize_to_nhwc(const std::uint8_t* in, std::size_t pixels, int channels, const float* mean,
                       const float* deviation, float* out) {
  const std::array<Table, 4> all = tables(channels, mean, deviation);
  const std::size_t count = static_cast<std::size_t>(channels);
  for (std::size_t i = 0; i < pixels; ++i)
    for (std::size_t c = 0; c < count; ++c)
      out[i * count + c] = all[c][in[i * count + c]];
}

} // namespace mrun::kernels
