// Resampling of 8-bit images, bit-equal to Pillow's Image.resize (src/libImaging/Resample.c and Geometry.c).
//
// Two passes, each rounded to 8 bits; which one comes first is Pillow 13's choice (older versions: the
// horizontal one). Coefficients are computed in double, scaled to integers of 22 fraction bits, and summed in
// 32 bits. Filters widen with the scale (antialias), as Pillow's do.
#pragma once

#include <cstdint>

namespace mrun::kernels {

enum class ResizeFilter : std::uint8_t { nearest, box, bilinear, hamming, bicubic, lanczos };

// in: u8 [in_height, in_width, channels], out: u8 [out_height, out_width, channels], both contiguous; they
// must not overlap. All sizes >= 1, channels 1 to 4, widths and heights below 2^24. Takes scratch memory for
// the picture between the passes. Any thread.
void image_resize_u8(const std::uint8_t* in, int in_width, int in_height, int channels, std::uint8_t* out,
                     int out_width, int out_height, ResizeFilter filter);

} // namespace mrun::kernels
