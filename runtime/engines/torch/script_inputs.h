// What `forward` of a TorchScript module is given, out of a prediction's inputs.
//
// An argument is `in.<name>` or `in.<position>`. Elements of lists and tuples are `in.<name>.0`,
// `in.<name>.1`, …, values of dicts `in.<name>.<key>`. What holds no tensors may come as JSON, named as the
// argument, with or without `in.`. Goes with TorchScript (torchscript_model.cpp).
#pragma once

#include <vector>

#include "common/error.h"
#include "runtime/engines/torch/torch_headers.h"
#include "runtime/mrun_predictor.h"

namespace mrun::torch_engine {

// Error engine_unsupported, with the argument's name and type: one that is not made of tensors, numbers,
// text, lists, tuples, dicts with text for keys, and Optional.
Result<void> check_script_inputs(const c10::FunctionSchema& forward);

// The arguments behind self. Tensors are copies, since a script may write into what it is given. Errors:
// input_missing, input_type, each with the input's name.
Result<std::vector<c10::IValue>> bind_script_inputs(const mrun_request& request,
                                                    const c10::FunctionSchema& forward, c10::Device device);

} // namespace mrun::torch_engine
