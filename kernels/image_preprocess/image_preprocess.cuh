// A block makes a tile of 32 x 8 output pixels of one picture. It goes through the input that the tile needs
// in chunks: all threads compute a chunk of the first pass, rounded to bytes, into shared memory, then each
// adds to its own pixel what its second pass takes of it. So any scale works, nothing but the result is
// written, and only pixels at the tiles' edges are computed twice. Bits as on the CPU (built with
// -fmad=false).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/device.h"
#include "kernels/image_preprocess/image_preprocess.h"
#include "kernels/image_preprocess/pixel_value.h"

namespace mrun::kernels {

inline constexpr int k_tile_width = 32, k_tile_height = 8;
inline constexpr int k_chunk_rows = 32;    // of a columns-first picture
inline constexpr int k_chunk_columns = 64; // of a rows-first one
inline constexpr int k_weight_bits = 22;   // k_resize_fraction_bits

// One axis of one picture, in the tables.
struct DeviceAxis {
  const std::int32_t *first, *count, *weights;
  std::int32_t stride, size;

  MRUN_HOST_DEVICE int begin(int at) const { return at < size ? first[at] : 0; }
  MRUN_HOST_DEVICE int taps(int at) const { return at < size ? count[at] : 0; }
  MRUN_HOST_DEVICE const std::int32_t* weights_of(int at) const {
    return weights + static_cast<std::size_t>(at) * static_cast<std::size_t>(stride);
  }
};

MRUN_HOST_DEVICE DeviceAxis device_axis(const std::int32_t* numbers, std::int32_t at, std::int32_t stride,
                                        int size) {
  return {numbers + at, numbers + at + size, numbers + at + 2 * static_cast<std::size_t>(size), stride, size};
}

MRUN_HOST_DEVICE int device_byte(std::int32_t sum) {
  const std::int32_t value = sum >> k_weight_bits;
  return value < 0 ? 0 : value > 255 ? 255 : value;
}

struct Range {
  int begin, end;
};

// The input elements that `size` output elements from `at` on need; empty when none does.
__device__ inline Range needed(const DeviceAxis& axis, int at, int size) {
  Range range{0x7fffffff, 0};
  for (int i = at; i < at + size; ++i) {
    const int taps = axis.taps(i), begin = axis.begin(i);
    if (taps == 0) continue;
    range.begin = begin < range.begin ? begin : range.begin;
    range.end = begin + taps > range.end ? begin + taps : range.end;
  }
  return range;
}

// A sum over one axis of the input: element i of it is at pixels[i * step].
template<int Channels>
__device__ void first_pass(const std::uint8_t* pixels, std::size_t step, const DeviceAxis& axis, int at,
                           std::uint8_t* out) {
  std::int32_t sums[Channels];
  for (int c = 0; c < Channels; ++c)
    sums[c] = 1 << (k_weight_bits - 1);
  const int taps = axis.taps(at);
  if (taps > 0) {
    const std::int32_t* weights = axis.weights_of(at);
    const std::uint8_t* pixel = pixels + static_cast<std::size_t>(axis.begin(at)) * step;
    for (int tap = 0; tap < taps; ++tap, pixel += step)
      for (int c = 0; c < Channels; ++c)
        sums[c] += pixel[c] * weights[tap];
  }
  for (int c = 0; c < Channels; ++c)
    out[c] = static_cast<std::uint8_t>(device_byte(sums[c]));
}

// Adds what the chunk [base, end) of the second axis gives to one output element; its element i is at
// middle[(i - base) * step].
template<int Channels>
__device__ void second_pass(const std::uint8_t* middle, int step, int base, int end, const DeviceAxis& axis,
                            int at, std::int32_t* sums) {
  const int begin = axis.begin(at), last = begin + axis.taps(at);
  if (begin == last) return;
  const std::int32_t* weights = axis.weights_of(at);
  for (int i = begin > base ? begin : base; i < last && i < end; ++i)
    for (int c = 0; c < Channels; ++c)
      sums[c] += middle[(i - base) * step + c] * weights[i - begin];
}

MRUN_HOST_DEVICE void store_number(float* out, float value) {
  *out = value;
}

MRUN_HOST_DEVICE void store_number(std::uint16_t* out, float value) {
  *out = bf16_bits(value);
}

struct DeviceFormat {
  int width, height; // of the output
  int planes;        // 1: [N, C, h, w], 0: [N, h, w, C]
  float mean[4], deviation[4];
};

template<int Channels, class Number>
__global__ void __launch_bounds__(k_tile_width* k_tile_height)
    image_preprocess_kernel(const DevicePicture* pictures, int count, DeviceFormat format, Number* out) {
  MRUN_SHARED(std::uint8_t, middle, k_chunk_rows * k_tile_width * Channels);
  static_assert(k_chunk_rows * k_tile_width >= k_tile_height * k_chunk_columns);
  const DevicePicture& picture = pictures[blockIdx.z];
  const std::int32_t* numbers = reinterpret_cast<const std::int32_t*>(pictures + count);
  const DeviceAxis columns = device_axis(numbers, picture.columns, picture.column_stride, format.width);
  const DeviceAxis rows = device_axis(numbers, picture.rows, picture.row_stride, format.height);
  const int tx = static_cast<int>(threadIdx.x), ty = static_cast<int>(threadIdx.y);
  const int tile_x = static_cast<int>(blockIdx.x) * k_tile_width,
            tile_y = static_cast<int>(blockIdx.y) * k_tile_height;
  const int x = tile_x + tx, y = tile_y + ty;
  const std::size_t row_bytes = static_cast<std::size_t>(picture.width) * Channels;
  std::int32_t sums[Channels];
  for (int c = 0; c < Channels; ++c)
    sums[c] = 1 << (k_weight_bits - 1);

  // What is needed is the same for the whole block, so all its threads meet at the barriers.
  if (picture.rows_first != 0) {
    const Range range = needed(columns, tile_x, k_tile_width);
    for (int base = range.begin; base < range.end; base += k_chunk_columns) {
      for (int i = tx; i < k_chunk_columns && base + i < range.end; i += k_tile_width)
        first_pass<Channels>(picture.pixels + static_cast<std::size_t>(base + i) * Channels, row_bytes, rows,
                             y, middle + (ty * k_chunk_columns + i) * Channels);
      __syncthreads();
      second_pass<Channels>(middle + ty * k_chunk_columns * Channels, Channels, base, base + k_chunk_columns,
                            columns, x, sums);
      __syncthreads();
    }
  } else {
    const Range range = needed(rows, tile_y, k_tile_height);
    for (int base = range.begin; base < range.end; base += k_chunk_rows) {
      for (int i = ty; i < k_chunk_rows && base + i < range.end; i += k_tile_height)
        first_pass<Channels>(picture.pixels + static_cast<std::size_t>(base + i) * row_bytes, Channels,
                             columns, x, middle + (i * k_tile_width + tx) * Channels);
      __syncthreads();
      second_pass<Channels>(middle + tx * Channels, k_tile_width * Channels, base, base + k_chunk_rows, rows,
                            y, sums);
      __syncthreads();
    }
  }

  if (x >= format.width || y >= format.height) return;
  const std::size_t plane = static_cast<std::size_t>(format.width) * static_cast<std::size_t>(format.height);
  const std::size_t pixel =
      static_cast<std::size_t>(y) * static_cast<std::size_t>(format.width) + static_cast<std::size_t>(x);
  Number* to = out + blockIdx.z * plane * Channels;
  for (int c = 0; c < Channels; ++c) {
    const float value = pixel_value(device_byte(sums[c]), format.mean[c], format.deviation[c]);
    store_number(to + (format.planes != 0 ? static_cast<std::size_t>(c) * plane + pixel
                                          : pixel * Channels + static_cast<std::size_t>(c)),
                 value);
  }
}

template<int Channels, class Number>
int launch_preprocess(const DevicePicture* pictures, int count, const DeviceFormat& format, Number* out,
                      void* stream) {
  const dim3 grid(static_cast<unsigned>((format.width + k_tile_width - 1) / k_tile_width),
                  static_cast<unsigned>((format.height + k_tile_height - 1) / k_tile_height),
                  static_cast<unsigned>(count));
  return MRUN_LAUNCH((image_preprocess_kernel<Channels, Number>), grid, dim3(k_tile_width, k_tile_height),
                     stream, pictures, count, format, out);
}

template<class Number>
int launch_channels(const DevicePicture* pictures, int count, int channels, const DeviceFormat& format,
                    Number* out, void* stream) {
  if (channels == 1) return launch_preprocess<1>(pictures, count, format, out, stream);
  if (channels == 2) return launch_preprocess<2>(pictures, count, format, out, stream);
  if (channels == 3) return launch_preprocess<3>(pictures, count, format, out, stream);
  return launch_preprocess<4>(pictures, count, format, out, stream);
}

inline int launch_image_preprocess(const PreprocessFormat& format, const std::uint64_t* tables, int count,
                                   void* out, void* stream) {
  constexpr int most_blocks = 65'535; // in y and z
  if (format.channels < 1 || format.channels > 4 || count > most_blocks ||
      format.out_height > most_blocks * k_tile_height)
    return k_cuda_invalid_value;
  if (count <= 0 || format.out_width <= 0 || format.out_height <= 0) return k_cuda_success;
  DeviceFormat device{
      format.out_width, format.out_height, format.layout == PreprocessLayout::nchw ? 1 : 0, {}, {}};
  for (int c = 0; c < format.channels; ++c) {
    device.mean[c] = format.mean[c];
    device.deviation[c] = format.deviation[c];
  }
  const auto* pictures = reinterpret_cast<const DevicePicture*>(tables);
  if (format.type == PreprocessType::f32)
    return launch_channels(pictures, count, format.channels, device, static_cast<float*>(out), stream);
  return launch_channels(pictures, count, format.channels, device, static_cast<std::uint16_t*>(out), stream);
}

} // namespace mrun::kernels
