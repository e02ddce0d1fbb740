// The mean of the token vectors that the mask keeps (sentence-transformers' mean pooling).
#pragma once

#include <cstddef>

namespace mrun::kernels {

// in: f32 [batch, tokens, width]; mask: f32 [batch, tokens], or null for all ones; out: f32 [batch, width].
// out = sum of mask x in, divided by max(sum of mask, 1e-9).
void mean_pool(const float* in, const float* mask, std::size_t batch, std::size_t tokens, std::size_t width,
               float* out);

} // namespace mrun::kernels
