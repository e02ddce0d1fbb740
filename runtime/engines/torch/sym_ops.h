// Arithmetic on symbolic sizes: the Python functions that exported programs name as targets beside operators.
#pragma once

#include <span>
#include <string_view>

#include "common/error.h"
#include "runtime/engines/torch/torch_headers.h"

namespace mrun::torch_engine {

// Takes integers, floats and booleans with Python's rules (floor division, modulo of the divisor's sign,
// integers stay integers). Error prediction_failed: division by zero, overflow of 64 bits, a value that is no
// number.
using SymFunction = Result<c10::IValue> (*)(std::span<const c10::IValue> arguments);

// "_operator.floordiv", "torch.sym_max", "math.ceil", …; nullptr for a function that is not supported.
SymFunction find_sym_function(std::string_view target);

} // namespace mrun::torch_engine
