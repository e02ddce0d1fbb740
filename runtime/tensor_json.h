// Tensors as JSON text that round-trips and is as short as it can be.
//
// A 32-bit float is written with the fewest digits that read back as the same 32-bit float (std::to_chars).
// What JSON can't carry (NaN, infinity) becomes null, as in JavaScript; a complex number is [real,
// imaginary]. Straight to text: an output of a million numbers needs no tree. Pure functions, any thread.
#pragma once

#include <span>
#include <string>

#include "runtime/media/tensor.h"

namespace mrun {

// Appends nested arrays in row-major order, one level per entry of `shape`; a 0-d tensor is a bare number.
// `shape` is the tensor's own, or the same without leading 1s (the batch axis).
void append_tensor_json(const Tensor& tensor, std::span<const std::int64_t> shape, std::string& out);

// The tensor's shape without the batch axis: a leading 1 of two or more axes.
std::span<const std::int64_t> example_shape(const Tensor& tensor);

} // namespace mrun
