#include "runtime/abi_values.h"

#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::int32_t k_device_cpu = 1; // kDLCPU

tl::unexpected<Error> refused(std::string_view name, std::string what) {
  return fail(ErrorCode::prediction_failed,
              fmt::format("the predictor gave tensor `{}` {}", printable(name, 100), what));
}

// One row of the innermost axis at a time; `source` and `target` move along.
struct StridedCopy {
  const std::int64_t* shape;
  const std::int64_t* strides; // in elements
  std::size_t dims;
  std::size_t element_bytes;
  char* target;

  void axis(const char* source, std::size_t at) {
    if (at == dims) {
      std::memcpy(target, source, element_bytes);
      target += element_bytes;
      return;
    }
    if (at + 1 == dims && strides[at] == 1) {
      const std::size_t row = static_cast<std::size_t>(shape[at]) * element_bytes;
      std::memcpy(target, source, row);
      target += row;
      return;
    }
    for (std::int64_t i = 0; i < shape[at]; ++i)
      axis(source + i * strides[at] * static_cast<std::int64_t>(element_bytes), at + 1);
  }
};

} // namespace

Result<std::string_view> checked_text(mrun_text text, std::size_t limit, std::string_view what) {
  if (text.size > 0 && text.data == nullptr)
    return fail(ErrorCode::prediction_failed, fmt::format("the predictor gave {} without data", what));
  if (text.size > limit)
    return fail(ErrorCode::output_limit,
                fmt::format("the predictor gave {} of {} bytes, {} are allowed", what, text.size, limit));
  if (!is_valid_utf8(view(text)))
    return fail(ErrorCode::prediction_failed, fmt::format("the predictor gave {} that is not UTF-8", what));
  return view(text);
}

Result<Tensor> copy_tensor(const mrun_tensor& given, std::string_view name) {
  if (!MRUN_ABI_HAS(given, device_id))
    return refused(name, fmt::format("with struct_size {}", given.struct_size));
  DType type{};
  if (!dtype_of_dlpack(given.dtype_code, given.dtype_bits, given.dtype_lanes, type))
    return refused(name, fmt::format("of DLPack type {}:{}:{}, which mrun does not read", given.dtype_code,
                                     given.dtype_bits, given.dtype_lanes));
  if (given.device_type != k_device_cpu)
    return refused(name, fmt::format("on device type {}: outputs must be on the CPU", given.device_type));
  if (given.ndim < 0 || given.ndim > k_max_tensor_dims || (given.ndim > 0 && given.shape == nullptr))
    return refused(name,
                   fmt::format("with {} dimensions, 0 to {} are allowed", given.ndim, k_max_tensor_dims));
  const std::size_t dims = static_cast<std::size_t>(given.ndim);
  std::vector<std::int64_t> shape(given.shape, given.shape + dims);
  if (std::any_of(shape.begin(), shape.end(), [](std::int64_t size) { return size < 0; }))
    return refused(name, "with a negative size");
  MRUN_ASSIGN(Tensor tensor, Tensor::make(type, shape));
  if (tensor.size_bytes() == 0) return tensor;
  if (given.data == nullptr) return refused(name, "without data");
  const char* source = static_cast<const char*>(given.data) + given.byte_offset;
  if (given.strides == nullptr)
    std::memcpy(tensor.data(), source, tensor.size_bytes());
  else
    StridedCopy{shape.data(), given.strides, dims, dtype_size(type), static_cast<char*>(tensor.data())}.axis(
        source, 0);
  return tensor;
}

mrun_tensor abi_tensor(const Tensor& tensor) {
  mrun_tensor out{};
  out.struct_size = sizeof out;
  out.ndim = static_cast<std::int32_t>(tensor.shape().size());
  out.shape = tensor.shape().data();
  out.data = const_cast<void*>(tensor.data());
  out.dtype_code = dlpack_code(tensor.dtype());
  out.dtype_bits = static_cast<std::uint8_t>(dtype_size(tensor.dtype()) * 8);
  out.dtype_lanes = 1;
  out.device_type = k_device_cpu;
  return out;
}

} // namespace mrun
