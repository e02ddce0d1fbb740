#include "runtime/engines/torch/payload_shape.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/text.h"
#include "runtime/engines/torch/dtypes.h"

namespace mrun::torch_engine {
namespace {

constexpr std::int64_t k_strided = 7; // schema.py Layout

} // namespace

std::optional<std::uint64_t> reach_of(const std::vector<std::int64_t>& sizes,
                                      const std::vector<std::int64_t>& strides) {
  std::uint64_t last = 0;
  bool empty = false;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    if (sizes[i] < 0 || strides[i] < 0) return std::nullopt;
    empty = empty || sizes[i] == 0;
    if (sizes[i] == 0) continue;
    std::uint64_t step = 0;
    if (__builtin_mul_overflow(static_cast<std::uint64_t>(sizes[i] - 1),
                               static_cast<std::uint64_t>(strides[i]), &step) ||
        __builtin_add_overflow(last, step, &last))
      return std::nullopt;
  }
  if (last >= std::uint64_t{1} << 60) return std::nullopt;
  return empty ? 0 : last + 1;
}

Result<PayloadShape> payload_shape(const TensorMeta& meta, std::uint64_t size_bytes, std::string_view name) {
  const std::string shown = printable(name, 120);
  const DtypeRow* type = find_dtype(meta.dtype);
  if (type == nullptr)
    return fail(ErrorCode::load_failed,
                fmt::format("weight `{}` has the unknown dtype {}", shown, meta.dtype));
  if (meta.layout != k_strided)
    return fail(ErrorCode::engine_unsupported, fmt::format("weight `{}` is not a strided tensor", shown));
  if (meta.sizes.size() != meta.strides.size() || meta.sizes.size() > k_max_tensor_dims)
    return fail(ErrorCode::load_failed, fmt::format("weight `{}` has {} sizes and {} strides", shown,
                                                    meta.sizes.size(), meta.strides.size()));
  PayloadShape shape;
  for (std::size_t i = 0; i < meta.sizes.size(); ++i) {
    if (!meta.sizes[i].constant || !meta.strides[i].constant)
      return fail(ErrorCode::load_failed, fmt::format("weight `{}` has a size that is not a number", shown));
    shape.sizes.push_back(*meta.sizes[i].constant);
    shape.strides.push_back(*meta.strides[i].constant);
  }
  const std::int64_t offset = meta.storage_offset.constant.value_or(-1);
  const std::uint64_t elements = size_bytes / type->size_bytes;
  const auto reach = reach_of(shape.sizes, shape.strides);
  if (!reach || offset < 0 || static_cast<std::uint64_t>(offset) > elements ||
      *reach > elements - static_cast<std::uint64_t>(offset))
    return fail(ErrorCode::load_failed, fmt::format("weight `{}` [{}] does not fit into its {} bytes", shown,
                                                    fmt::join(shape.sizes, ", "), size_bytes));
  shape.offset = static_cast<std::uint64_t>(offset);
  shape.reach = *reach;
  return shape;
}

} // namespace mrun::torch_engine
