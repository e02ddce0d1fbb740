// Tensors as nested JSON lists and back.
#pragma once

#include "common/error.h"
#include "common/json.h"
#include "runtime/media/tensor.h"

namespace mrun {

// A scalar becomes a number (bool: true or false), anything else nested lists. Floats have the fewest digits
// that read back as the same f32; NaN and infinities become null, which is all that JSON has. Error
// output_limit above 16 Mi elements.
Result<Json> tensor_to_json(const Tensor& tensor);

// Numbers (or true and false) in lists of equal lengths. Integer types take integers in their range only.
// Error input_type, naming the place: "at [2][0]: …".
Result<Tensor> tensor_from_json(const Json& json, DType type);

// f32 as the double that prints as the shortest text that means this f32; null for what JSON can't write.
Json number_json(float value);

// Shape of one example: a leading axis of size 1 is dropped.
Tensor without_batch_axis(Tensor tensor);

} // namespace mrun
