// Vectors to unit length (torch.nn.functional.normalize, p=2, dim=-1).
#pragma once

#include <cstddef>

namespace mrun::kernels {

// in, out: f32 [rows, width]; out may be in. out = in / max(‖in‖₂, epsilon); the norm is summed in double.
void l2_normalize(const float* in, std::size_t rows, std::size_t width, float epsilon, float* out);

} // namespace mrun::kernels
