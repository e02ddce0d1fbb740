#include "kernels/image_resize/image_resize.h"

#include <algorithm>
#include <cstring>
#include <memory>

#include "kernels/cpu_dispatch.h"
#include "kernels/image_resize/coefficients.h"

namespace mrun::kernels {
namespace {

constexpr std::int32_t k_half = 1 << (k_resize_fraction_bits - 1);

MRUN_INLINE std::uint8_t clip8(std::int32_t sum) {
  const std::int32_t value = sum >> k_resize_fraction_bits;
  return static_cast<std::uint8_t>(value < 0 ? 0 : value > 255 ? 255 : value);
}

// One output row: the weighted sum of `count` input rows of `row_bytes` bytes.
MRUN_INLINE void vertical_row(const std::uint8_t* in, std::size_t row_bytes, const std::int32_t* weights,
                              int count, std::uint8_t* out) {
  constexpr std::size_t block = 64;
  std::size_t x = 0;
  for (; x + block <= row_bytes; x += block) {
    std::int32_t sums[block];
    for (std::size_t i = 0; i < block; ++i)
      sums[i] = k_half;
    const std::uint8_t* row = in + x;
    for (int y = 0; y < count; ++y, row += row_bytes)
      for (std::size_t i = 0; i < block; ++i)
        sums[i] += row[i] * weights[y];
    for (std::size_t i = 0; i < block; ++i)
      out[x + i] = clip8(sums[i]);
  }
  for (; x < row_bytes; ++x) {
    std::int32_t sum = k_half;
    for (int y = 0; y < count; ++y)
      sum += in[static_cast<std::size_t>(y) * row_bytes + x] * weights[y];
    out[x] = clip8(sum);
  }
}

// One input row to one output row.
template<int Channels>
MRUN_INLINE void horizontal_row(const std::uint8_t* in, const AxisWeights& axis, int out_width,
                                std::uint8_t* out) {
  for (int x = 0; x < out_width; ++x) {
    const std::uint8_t* pixel =
        in + static_cast<std::size_t>(axis.first[static_cast<std::size_t>(x)]) * Channels;
    const std::int32_t* weights =
        axis.weights.data() + static_cast<std::size_t>(x) * static_cast<std::size_t>(axis.stride);
    const int count = axis.count[static_cast<std::size_t>(x)];
    std::int32_t sums[Channels];
    for (int c = 0; c < Channels; ++c)
      sums[c] = k_half;
    for (int i = 0; i < count; ++i, pixel += Channels)
      for (int c = 0; c < Channels; ++c)
        sums[c] += pixel[c] * weights[i];
    for (int c = 0; c < Channels; ++c)
      *out++ = clip8(sums[c]);
  }
}

struct Pass {
  const std::uint8_t* in;
  std::uint8_t* out;
  const AxisWeights* axis;
  int in_width, out_width, rows, channels;
};

MRUN_INLINE void horizontal_body(const Pass& pass) {
  const std::size_t in_bytes =
      static_cast<std::size_t>(pass.in_width) * static_cast<std::size_t>(pass.channels);
  const std::size_t out_bytes =
      static_cast<std::size_t>(pass.out_width) * static_cast<std::size_t>(pass.channels);
  for (int y = 0; y < pass.rows; ++y) {
    const std::uint8_t* in = pass.in + static_cast<std::size_t>(y) * in_bytes;
    std::uint8_t* out = pass.out + static_cast<std::size_t>(y) * out_bytes;
    switch (pass.channels) {
    case 1:
      horizontal_row<1>(in, *pass.axis, pass.out_width, out);
      break;
    case 2:
      horizontal_row<2>(in, *pass.axis, pass.out_width, out);
      break;
    case 3:
      horizontal_row<3>(in, *pass.axis, pass.out_width, out);
      break;
    default:
      horizontal_row<4>(in, *pass.axis, pass.out_width, out);
      break;
    }
  }
}

MRUN_INLINE void vertical_body(const Pass& pass) {
  const std::size_t row_bytes =
      static_cast<std::size_t>(pass.in_width) * static_cast<std::size_t>(pass.channels);
  for (int y = 0; y < pass.rows; ++y) {
    const std::size_t row = static_cast<std::size_t>(y);
    vertical_row(pass.in + static_cast<std::size_t>(pass.axis->first[row]) * row_bytes, row_bytes,
                 pass.axis->weights.data() + row * static_cast<std::size_t>(pass.axis->stride),
                 pass.axis->count[row], pass.out + row * row_bytes);
  }
}

MRUN_CPU_DISPATCH(horizontal_pass, horizontal_body, (const Pass& pass), (pass))
MRUN_CPU_DISPATCH(vertical_pass, vertical_body, (const Pass& pass), (pass))

void horizontal(const std::uint8_t* in, int in_width, int height, int channels, std::uint8_t* out,
                int out_width, ResizeFilter filter) {
  const AxisWeights columns = axis_weights(in_width, out_width, filter);
  horizontal_pass({in, out, &columns, in_width, out_width, height, channels});
}

void vertical(const std::uint8_t* in, int width, int in_height, int channels, std::uint8_t* out,
              int out_height, ResizeFilter filter) {
  const AxisWeights rows = axis_weights(in_height, out_height, filter);
  vertical_pass({in, out, &rows, width, width, out_height, channels});
}

void resize_nearest(const std::uint8_t* in, int in_width, int in_height, int channels, std::uint8_t* out,
                    int out_width, int out_height) {
  const std::vector<int> columns = nearest_indices(in_width, out_width);
  const std::vector<int> rows = nearest_indices(in_height, out_height);
  const std::size_t pixel = static_cast<std::size_t>(channels);
  for (const int row : rows)
    for (const int column : columns) {
      if (row < 0 || column < 0)
        std::memset(out, 0, pixel);
      else
        std::memcpy(out,
                    in + (static_cast<std::size_t>(row) * static_cast<std::size_t>(in_width) +
                          static_cast<std::size_t>(column)) *
                             pixel,
                    pixel);
      out += pixel;
    }
}

} // namespace

void image_resize_u8(const std::uint8_t* in, int in_width, int in_height, int channels, std::uint8_t* out,
                     int out_width, int out_height, ResizeFilter filter) {
  const std::size_t pixel = static_cast<std::size_t>(channels);
  if (in_width == out_width && in_height == out_height) {
    std::memcpy(out, in, static_cast<std::size_t>(in_width) * static_cast<std::size_t>(in_height) * pixel);
    return;
  }
  if (filter == ResizeFilter::nearest) {
    resize_nearest(in, in_width, in_height, channels, out, out_width, out_height);
    return;
  }
  if (in_width == out_width) {
    vertical(in, in_width, in_height, channels, out, out_height, filter);
    return;
  }
  if (in_height == out_height) {
    horizontal(in, in_width, in_height, channels, out, out_width, filter);
    return;
  }
  // Since version 13 Pillow shrinks the height first when it loses more than twice as many rows as columns
  // are lost (python-pillow/Pillow#9549). The order decides on the rounding, so it is part of the result.
  const bool rows_first = out_height < in_height && in_height - out_height > 2 * (in_width - out_width);
  const std::size_t middle_bytes =
      (rows_first ? static_cast<std::size_t>(in_width) * static_cast<std::size_t>(out_height)
                  : static_cast<std::size_t>(out_width) * static_cast<std::size_t>(in_height)) *
      pixel;
  const auto middle = std::make_unique_for_overwrite<std::uint8_t[]>(middle_bytes);
  if (rows_first) {
    vertical(in, in_width, in_height, channels, middle.get(), out_height, filter);
    horizontal(middle.get(), in_width, out_height, channels, out, out_width, filter);
  } else {
    horizontal(in, in_width, in_height, channels, middle.get(), out_width, filter);
    vertical(middle.get(), out_width, in_height, channels, out, out_height, filter);
  }
}

} // namespace mrun::kernels
