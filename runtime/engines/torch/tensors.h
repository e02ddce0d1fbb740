// Tensors at the module's door: views of mapped weights and of the host's inputs, and outputs for the host.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "common/error.h"
#include "runtime/engines/torch/payload_shape.h"
#include "runtime/engines/torch/program.h"
#include "runtime/engines/torch/torch_headers.h"
#include "runtime/mrun_predictor.h"

namespace mrun::torch_engine {

inline std::string_view view_of(mrun_text text) {
  return {text.data, text.size};
}
inline mrun_text text_of(std::string_view text) {
  return {text.data(), text.size()};
}

// The tensor that `meta` describes, in `bytes` (read-only, mapped) without a copy; copied when its address is
// not a multiple of its element size. Error load_failed: a size, stride or offset that is negative, not
// constant, or reaches beyond the bytes; engine_unsupported: a dtype or layout that can't be mapped.
Result<at::Tensor> map_tensor(const TensorMeta& meta, std::string_view bytes, std::string_view name);

// A view of the host's tensor, copied when it is not aligned as LibTorch's own are. Valid while the host's
// memory is. Error input_type: a dtype that LibTorch lacks, or a shape that is not one.
Result<at::Tensor> tensor_of(const mrun_tensor& tensor, std::string_view name);

// Gives `value` out as `out.<path>`: tensors as they are (made contiguous), numbers and booleans as 0-dim
// tensors, lists, tuples and dicts leaf by leaf; None and text are left out. Error output_limit and the
// host's refusal.
Result<void> emit_value(const mrun_host& host, std::uint64_t request, const std::string& path,
                        const c10::IValue& value);

// Finds the input of that name; nullptr when there is none.
const mrun_value* find_input(const mrun_request& request, std::string_view name);

} // namespace mrun::torch_engine
