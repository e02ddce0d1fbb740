// u8 pixels to f32 planes: v/255, then minus the mean, then divided by the deviation, each rounded to f32,
// exactly as torchvision's ToTensor and Normalize.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mrun::kernels {

// in: u8 [pixels, channels]; out: f32 [channels, pixels]. mean and deviation: one f32 a channel; deviation is
// not 0. channels 1 to 4.
void normalize_to_nchw(const std::uint8_t* in, std::size_t pixels, int channels, const float* mean,
                       const float* deviation, float* out);
// The same with out: f32 [pixels, channels].
void normalize_to_nhwc(const std::uint8_t* in, std::size_t pixels, int channels, const float* mean,
                       const float* deviation, float* out);

} // namespace mrun::kernels
