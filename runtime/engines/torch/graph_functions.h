// Names that a graph may call beside LibTorch's operators, known without LibTorch: what of Python's
// arithmetic and which operators with sub-graphs the executor has (sym_ops.cpp, execute.cpp).
#pragma once

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace mrun::torch_engine {

inline constexpr std::string_view k_op_prefix = "torch.ops.";
inline constexpr std::string_view k_higher_prefix = "torch.ops.higher_order.";

// Python's functions on sizes and numbers; sym_ops.cpp has one function for each, in this order.
inline constexpr std::array k_sym_names = std::to_array<std::string_view>({
    "_operator.add",      "_operator.sub",  "_operator.mul",
    "_operator.floordiv", "_operator.mod",  "_operator.truediv",
    "_operator.pow",      "_operator.neg",  "_operator.pos",
    "_operator.eq",       "_operator.ne",   "_operator.lt",
    "_operator.le",       "_operator.gt",   "_operator.ge",
    "_operator.and_",     "_operator.or_",  "_operator.lshift",
    "_operator.rshift",   "_operator.not_", "math.trunc",
    "math.ceil",          "math.floor",     "math.sqrt",
    "builtins.round",     "round",          "torch.sym_int",
    "torch.sym_float",    "torch.sym_sqrt", "torch._sym_sqrt",
    "torch.sym_not",      "torch.sym_ite",  "torch.sym_max",
    "torch.sym_min",      "torch.sym_sum",
});

// What torch.vmap leaves in a graph; vmap.cpp has one function for each, in this order.
inline constexpr std::array k_vmap_names = std::to_array<std::string_view>({
    "torch._functorch.predispatch.lazy_load_decompositions",
    "torch._functorch.predispatch._vmap_increment_nesting",
    "torch._functorch.predispatch._vmap_decrement_nesting",
    "torch._functorch.predispatch._add_batch_dim",
    "torch._functorch.predispatch._remove_batch_dim",
});

// Behind `torch.ops.higher_order.`. What their inputs are, in order: g a graph, c a constant or value, * the
// rest, flattened.
struct HigherOrder {
  std::string_view name;
  std::string_view inputs;
};
inline constexpr std::array<HigherOrder, 6> k_higher_order = {{
    {"cond", "cgg*"},
    {"while_loop", "gg*"},
    {"map_impl", "g*"},
    {"scan", "g*"},
    {"wrap_with_set_grad_enabled", "cg*"},
    {"wrap_with_autocast", "ccccg*"},
}};

// "torch.ops.aten.add.Tensor" → {"aten::add", "Tensor"}; the overload `default` is "". nullopt for a target
// that names no operator.
struct OperatorTarget {
  std::string name;
  std::string overload;
};
std::optional<OperatorTarget> operator_of(std::string_view target);

constexpr bool is_sym_name(std::string_view target) {
  return std::ranges::find(k_sym_names, target) != k_sym_names.end();
}

constexpr bool is_vmap_name(std::string_view target) {
  return std::ranges::find(k_vmap_names, target) != k_vmap_names.end();
}

// nullptr for a target that is none.
constexpr const HigherOrder* find_higher_order(std::string_view target) {
  if (!target.starts_with(k_higher_prefix)) return nullptr;
  const auto* found =
      std::ranges::find(k_higher_order, target.substr(k_higher_prefix.size()), &HigherOrder::name);
  return found == k_higher_order.end() ? nullptr : found;
}

} // namespace mrun::torch_engine
