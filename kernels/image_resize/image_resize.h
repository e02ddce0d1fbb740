// Resampling of 8-bit images, bit-equal to Pillow's Image.resize (src/libImaging/Resample.c and Geometry.c).
//
// Two passes, each rounded to 8 bits; which one comes first is Pillow 13's choice (older versions: the
// horizontal one). Coefficients are computed in double, scaled to integers of 22 fraction bits, and summed in
// 32 bits. Filters widen with the scale (antialias), as Pillow's do.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cpu_dispatch.h"

namespace mrun::kernels {

enum class ResizeFilter : std::uint8_t { nearest, box, bilinear, hamming, bicubic, lanczos };

// A part of a picture: columns [x, x + width), rows [y, y + height).
struct Window {
  int x = 0, y = 0, width = 0, height = 0;
};

// All sizes >= 1, widths and heights below 2^24.
struct ResizeArguments {
  const std::uint8_t* in = nullptr; // u8 [in_height, in_width, channels], contiguous
  int in_width = 0, in_height = 0;
  int channels = 0; // 1 to 4
  int out_width = 0, out_height = 0;
  ResizeFilter filter = ResizeFilter::bilinear;
};

// Whether Pillow 13 shrinks the height first: when it loses more than twice as many rows as columns are lost
// (python-pillow/Pillow#9549). The order decides on the rounding, so it is part of the result.
constexpr bool resizes_rows_first(const ResizeArguments& a) {
  return a.out_height < a.in_height && a.in_height - a.out_height > 2 * (a.in_width - a.out_width);
}

// Writes the part `window` of the resized picture, which lies inside of it, as u8 [window.height,
// window.width, channels]; only what it needs is computed. `out` does not overlap `in`. Takes scratch memory
// for the picture between the passes. Any thread.
void image_resize_window(const ResizeArguments& arguments, const Window& window, std::uint8_t* out,
                         CpuIsa isa = best_cpu_isa());

// All of it: u8 [out_height, out_width, channels].
void image_resize(const ResizeArguments& arguments, std::uint8_t* out, CpuIsa isa = best_cpu_isa());

} // namespace mrun::kernels
