// The k largest of a row, largest first.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mrun::kernels {

// in: f32 [count]; indices: i64 [k], k <= count. Equal values come in the order of their indices; NaN comes
// last.
void top_k(const float* in, std::size_t count, std::size_t k, std::int64_t* indices);

} // namespace mrun::kernels
