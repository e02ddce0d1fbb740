#include "runtime/engines/torch/allowed.h"

#include <algorithm>
#include <array>

namespace mrun::torch_engine {
namespace {

template<std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

constexpr std::array<std::string_view, 9> k_namespaces = {
    "aten", "prims", "prim", "quantized", "_quantized", "quantized_decomposed", "mkldnn", "onednn", "mkl"};
constexpr std::array<std::string_view, 5> k_refused = {"aten::from_file", "aten::save", "mkldnn::data_ptr",
                                                       "prim::PythonOp", "prim::IgnoredPythonOp"};
constexpr std::string_view k_rpc_prefix = "prim::rpc_";

// Packed weights of quantized and sparse layers.
constexpr std::string_view k_class_prefix = "__torch__.torch.classes.";
constexpr std::array<std::string_view, 5> k_class_namespaces = {"quantized", "rnn", "sparse", "mkldnn",
                                                                "xnnpack"};

} // namespace

bool may_run(std::string_view name) {
  const std::string_view space = name.substr(0, name.find(':'));
  return contains(k_namespaces, space) && !contains(k_refused, name) && !name.starts_with(k_rpc_prefix);
}

bool may_use_class(std::string_view name) {
  if (!name.starts_with(k_class_prefix)) return true;
  name.remove_prefix(k_class_prefix.size());
  return contains(k_class_namespaces, name.substr(0, name.find('.')));
}

} // namespace mrun::torch_engine
