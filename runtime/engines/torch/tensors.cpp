#include "runtime/engines/torch/tensors.h"

#include <fmt/format.h>

#include "common/text.h"
#include "runtime/engines/torch/types.h"

namespace mrun::torch_engine {
namespace {

// Matrix products round differently with the alignment of what they read. LibTorch allocates at this one, so
// with it a prediction gives the same bits wherever its input happens to lie, and the same as Python.
constexpr std::size_t k_input_alignment = 64;

at::Tensor view(const void* data, const PayloadShape& shape, c10::ScalarType type, std::size_t alignment) {
  // LibTorch has no const tensors; whoever writes works on a copy (CompiledGraph::written).
  at::Tensor tensor = at::from_blob(const_cast<void*>(data), shape.sizes, shape.strides, // NOLINT
                                    at::TensorOptions().dtype(type).device(at::kCPU));
  if (reinterpret_cast<std::uintptr_t>(data) % alignment == 0) return tensor;
  at::Tensor copy = at::empty_strided(shape.sizes, shape.strides, tensor.options());
  if (shape.reach > 0) std::memcpy(copy.data_ptr(), data, shape.reach * c10::elementSize(type));
  return copy;
}

Result<void> emit_tensor(const mrun_host& host, std::uint64_t request, const std::string& name,
                         const at::Tensor& given) {
  if (!given.defined()) return {};
  const at::Tensor tensor = given.to(at::kCPU).resolve_conj().resolve_neg().contiguous();
  mrun_tensor out{};
  out.struct_size = sizeof out;
  if (tensor.layout() != c10::kStrided || !abi_type_of(tensor.scalar_type(), out))
    return fail(ErrorCode::prediction_failed,
                fmt::format("output `{}` is a tensor of type {}, which can't be given out", name,
                            type_name(tensor.scalar_type())));
  out.ndim = static_cast<std::int32_t>(tensor.dim());
  out.shape = tensor.sizes().data();
  out.data = tensor.data_ptr();
  out.device_type = 1;
  mrun_value value{};
  value.struct_size = sizeof value;
  value.kind = MRUN_VALUE_TENSOR;
  value.name = text_of(name);
  value.tensor = &out;
  if (host.emit(&host, request, &value) != MRUN_OK)
    return fail(ErrorCode::output_limit, fmt::format("output `{}` was refused", name));
  return {};
}

std::string key_text(const c10::IValue& key) {
  if (key.isString()) return key.toStringRef();
  if (key.isInt()) return std::to_string(key.toInt());
  return fmt::format("{}", key.toScalar().toDouble());
}

} // namespace

Result<at::Tensor> map_tensor(const TensorMeta& meta, std::string_view bytes, std::string_view name) {
  MRUN_ASSIGN(const PayloadShape shape, payload_shape(meta, bytes.size(), name));
  const c10::ScalarType type = scalar_type_of(meta.dtype).value(); // of the same table
  return view(bytes.data() + shape.offset * c10::elementSize(type), shape, type, c10::elementSize(type));
}

Result<at::Tensor> tensor_of(const mrun_tensor& tensor, std::string_view name) {
  const auto type = scalar_type_of_abi(tensor);
  if (!type)
    return fail(ErrorCode::input_type,
                fmt::format("input `{}` has a dtype that LibTorch lacks (code {}, {} bits)", name,
                            tensor.dtype_code, tensor.dtype_bits));
  if (tensor.ndim < 0 || static_cast<std::size_t>(tensor.ndim) > k_max_tensor_dims || tensor.device_type != 1)
    return fail(ErrorCode::input_type, fmt::format("input `{}` is not a tensor on the CPU of at most {} axes",
                                                   name, k_max_tensor_dims));
  PayloadShape shape;
  const auto dims = static_cast<std::size_t>(tensor.ndim);
  shape.sizes.assign(tensor.shape, tensor.shape + dims);
  shape.strides.resize(dims, 1);
  for (std::size_t i = dims; i-- > 1;)
    shape.strides[i - 1] = shape.strides[i] * std::max<std::int64_t>(shape.sizes[i], 1);
  if (tensor.strides != nullptr) shape.strides.assign(tensor.strides, tensor.strides + dims);
  const auto reach = reach_of(shape.sizes, shape.strides);
  if (!reach)
    return fail(ErrorCode::input_type, fmt::format("input `{}` has a negative size or stride", name));
  shape.reach = *reach;
  return view(static_cast<const char*>(tensor.data) + tensor.byte_offset, shape, *type,
              std::max(k_input_alignment, c10::elementSize(*type)));
}

Result<void> emit_value(const mrun_host& host, std::uint64_t request, const std::string& path,
                        const c10::IValue& value) {
  const auto leaf = [&](const std::string& name, const c10::IValue& element) {
    return emit_value(host, request, path.empty() ? name : path + "." + name, element);
  };
  if (value.isTensor())
    return emit_tensor(host, request, "out." + (path.empty() ? "0" : path), value.toTensor());
  if (value.isScalar())
    return emit_tensor(host, request, "out." + (path.empty() ? "0" : path),
                       at::scalar_tensor(value.toScalar(), at::dtype(value.toScalar().type())));
  if (value.isTuple()) {
    const auto& elements = value.toTupleRef().elements();
    for (std::size_t i = 0; i < elements.size(); ++i)
      MRUN_TRY(leaf(std::to_string(i), elements[i]));
  } else if (value.isList()) {
    const auto elements = value.toList();
    for (std::size_t i = 0; i < elements.size(); ++i)
      MRUN_TRY(leaf(std::to_string(i), elements.get(i)));
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict())
      MRUN_TRY(leaf(key_text(entry.key()), entry.value()));
  }
  return {};
}

const mrun_value* find_input(const mrun_request& request, std::string_view name) {
  for (std::size_t i = 0; i < request.input_count; ++i)
    if (view_of(request.inputs[i].name) == name) return &request.inputs[i];
  return nullptr;
}

} // namespace mrun::torch_engine
