// Nested lists of numbers as tensors: inputs that come as JSON, without a step in between.
#pragma once

#include <string_view>

#include "common/error.h"
#include "runtime/engines/torch/torch_headers.h"

namespace mrun::torch_engine {

// Whether `text` (JSON) may be a tensor: a list, a number or a boolean.
bool may_be_tensor(std::string_view text);

// `text`: a number or boolean, or lists of such, as deep as the tensor has axes and all of one length at each
// depth. Integers for integer types, within their range; booleans for bool. `name` is for messages. Error
// input_type, input_range.
Result<at::Tensor> tensor_of_json(std::string_view text, c10::ScalarType type, std::string_view name);

} // namespace mrun::torch_engine
