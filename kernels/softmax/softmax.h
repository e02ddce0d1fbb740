// exp(x - max) / sum over one axis.
#pragma once

#include <cstddef>

namespace mrun::kernels {

// in, out: f32 [outer, size, inner]; the axis of `size` sums to 1; out may be in. The sum is taken in double.
// A row of only -inf, or with NaN or +inf, gives NaN, as torch.softmax.
void softmax(const float* in, std::size_t outer, std::size_t size, std::size_t inner, float* out);

} // namespace mrun::kernels
