// The operators of PyTorch's quantized programs (PT2E, torchao) that Python alone registers and the engine
// brings (quantized_decomposed.cpp), known without LibTorch.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>

namespace mrun::torch_engine {

inline constexpr std::string_view k_quantized_space = "quantized_decomposed::";

struct QuantizedName {
  std::string_view name; // behind the namespace
  std::string_view overload;
};
inline constexpr std::array<QuantizedName, 17> k_quantized_names = {{
    {"choose_qparams", "tensor"},
    {"choose_qparams_per_token", ""},
    {"choose_qparams_per_token_asymmetric", ""},
    {"choose_qparams_symmetric", "tensor"},
    {"convert_element_type", "no_fuse"},
    {"dequantize_per_channel", ""},
    {"dequantize_per_channel_group", ""},
    {"dequantize_per_tensor", ""},
    {"dequantize_per_tensor", "tensor"},
    {"dequantize_per_tensor", "tensor2"},
    {"dequantize_per_token", ""},
    {"quantize_per_channel", ""},
    {"quantize_per_channel_group", ""},
    {"quantize_per_tensor", ""},
    {"quantize_per_tensor", "tensor"},
    {"quantize_per_tensor", "tensor2"},
    {"quantize_per_token", ""},
}};

// `name` with its namespace.
constexpr bool is_quantized_name(std::string_view name, std::string_view overload) {
  if (!name.starts_with(k_quantized_space)) return false;
  name.remove_prefix(k_quantized_space.size());
  return std::ranges::any_of(k_quantized_names, [&](const QuantizedName& row) {
    return row.name == name && row.overload == overload;
  });
}

} // namespace mrun::torch_engine
