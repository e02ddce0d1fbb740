// Where a tensor's elements are in memory, by its sizes and strides. No LibTorch in this file.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "runtime/engines/torch/program.h"

namespace mrun::torch_engine {

inline constexpr std::size_t k_max_tensor_dims = 64;

struct PayloadShape {
  std::vector<std::int64_t> sizes;
  std::vector<std::int64_t> strides;
  std::uint64_t offset = 0; // of the first element, in elements
  std::uint64_t reach = 0;  // elements from the first to the last, both included; 0 for an empty tensor
};

// Elements from the first to the last one that sizes and strides (equally many) can address. nullopt: one is
// negative, or there are too many.
std::optional<std::uint64_t> reach_of(const std::vector<std::int64_t>& sizes,
                                      const std::vector<std::int64_t>& strides);

// Of the weight that `meta` describes, in `size_bytes` of its member. Error load_failed: a size, stride or
// offset that is negative, not constant, or reaches beyond the bytes, or an unknown dtype;
// engine_unsupported: a layout that can't be mapped (sparse).
Result<PayloadShape> payload_shape(const TensorMeta& meta, std::uint64_t size_bytes, std::string_view name);

} // namespace mrun::torch_engine
