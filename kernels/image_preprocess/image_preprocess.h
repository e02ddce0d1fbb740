// Pictures to a network's input in one pass: u8 [H, W, C] resized as Pillow does, cropped, normalised as
// torchvision does, written as f32 or bf16 [N, C, h, w] or [N, h, w, C].
//
// A pixel is, bit by bit, what the steps give one after the other: image_resize, a crop whose parts outside
// of the picture are 0, then (v / 255 - mean) / deviation in f32 with a rounding each, as ToTensor and
// Normalize; bf16 is that rounded to the nearest, ties to even. Only what the crop keeps is computed.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/image_resize/image_resize.h"

namespace mrun::kernels {

// One picture of a batch, and what of it is taken. Sizes as in ResizeArguments.
struct PreprocessPicture {
  const std::uint8_t* pixels = nullptr; // u8 [height, width, channels], contiguous
  int width = 0, height = 0;
  int resized_width = 0, resized_height = 0; // equal to width and height: not resized
  int crop_x = 0, crop_y = 0; // the output's corner in the resized picture; negative: zeros before it
};

enum class PreprocessType : std::uint8_t { f32, bf16 };
enum class PreprocessLayout : std::uint8_t { nchw, nhwc };

struct PreprocessFormat {
  int channels = 3; // 1 to 4
  int out_width = 0, out_height = 0;
  ResizeFilter filter = ResizeFilter::bilinear;
  const float* mean = nullptr;      // one number a channel
  const float* deviation = nullptr; // one number a channel, not 0
  PreprocessType type = PreprocessType::f32;
  PreprocessLayout layout = PreprocessLayout::nchw;
};

// `out` has room for the pictures and overlaps none of them. Takes scratch memory of two passes' size. Any
// thread.
void image_preprocess(const PreprocessFormat& format, std::span<const PreprocessPicture> pictures, void* out,
                      CpuIsa isa = best_cpu_isa());

// The definition, in plain C++: each output number by itself.
void image_preprocess_reference(const PreprocessFormat& format, std::span<const PreprocessPicture> pictures,
                                void* out);

// ---- for the CUDA version
// -----------------------------------------------------------------------------------

// One picture for the device: where its pixels are there, and where in the tables its axes begin.
struct DevicePicture {
  const std::uint8_t* pixels;
  std::int32_t width, height;
  std::int32_t rows_first;
  // For columns, then for rows: `out` numbers `first`, `out` numbers `count`, then `stride` weights for each.
  std::int32_t columns, column_stride;
  std::int32_t rows, row_stride;
  std::int32_t padding;
};

// What image_preprocess_cuda needs beside the pixels: to be copied to the device as it is, at an address
// divisible by
// 8. `pixels` of the pictures are device addresses here and are not read.
std::vector<std::uint64_t> preprocess_tables(const PreprocessFormat& format,
                                             std::span<const PreprocessPicture> pictures);

} // namespace mrun::kernels
