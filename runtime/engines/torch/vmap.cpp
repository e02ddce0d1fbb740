#include "runtime/engines/torch/vmap.h"

#include <algorithm>
#include <array>

#include <ATen/functorch/BatchedTensorImpl.h>
#include <ATen/functorch/DynamicLayer.h>

#include "runtime/engines/torch/graph_functions.h"

namespace mrun::torch_engine {
namespace {

namespace functorch = at::functorch;
using c10::IValue;
using Arguments = std::span<const IValue>;
using Outcome = Result<IValue>;

constexpr std::size_t k_max_depth = 64;

Outcome bad(std::string_view what) {
  return fail(ErrorCode::prediction_failed, "the program's vmap is damaged: " + std::string(what));
}

std::size_t depth() {
  return functorch::getDynamicLayerStack().size();
}

Outcome nothing(Arguments) {
  return IValue();
}

// (batch size, what random numbers do: "error", "same" or "different") → the level
Outcome enter(Arguments a) {
  if (a.size() != 2 || !a[0].isInt() || a[0].toInt() < 0 || !a[1].isString()) return bad("it has no size");
  if (depth() >= k_max_depth) return bad("it is too deep");
  const std::string& word = a[1].toStringRef();
  const auto randomness = word == "same"        ? functorch::RandomnessType::Same
                          : word == "different" ? functorch::RandomnessType::Different
                                                : functorch::RandomnessType::Error;
  return IValue(functorch::initAndPushDynamicLayer(functorch::TransformType::Vmap, c10::SymInt(a[0].toInt()),
                                                   randomness));
}

Outcome leave(Arguments) {
  if (depth() == 0) return bad("it ends before it begins");
  return IValue(functorch::popDynamicLayerAndDeleteMetadata().layerId());
}

// (tensor, axis, level)
Outcome add_axis(Arguments a) {
  if (a.size() != 3 || !a[0].isTensor() || !a[1].isInt() || !a[2].isInt()) return bad("a tensor is needed");
  const at::Tensor tensor = a[0].toTensor();
  const std::int64_t axis = a[1].toInt() < 0 ? a[1].toInt() + tensor.dim() : a[1].toInt();
  if (axis < 0 || axis >= tensor.dim()) return bad("a tensor has no such axis");
  if (a[2].toInt() < 1 || a[2].toInt() > static_cast<std::int64_t>(depth()))
    return bad("there is no such level");
  return IValue(functorch::addBatchDim(tensor, axis, a[2].toInt()));
}

// (tensor, level, batch size, axis)
Outcome remove_axis(Arguments a) {
  if (a.size() != 4 || !a[0].isTensor() || !a[1].isInt() || !a[2].isInt() || !a[3].isInt())
    return bad("a tensor is needed");
  const at::Tensor tensor = a[0].toTensor();
  const std::int64_t axis = a[3].toInt();
  if (axis < -tensor.dim() - 1 || axis > tensor.dim()) return bad("a tensor has no such axis");
  const auto* batched = functorch::maybeGetBatchedImpl(tensor);
  if (batched != nullptr && batched->level() == a[1].toInt())
    return IValue(batched->value().movedim(batched->bdim(), axis));
  const at::Tensor wide = tensor.unsqueeze(axis); // the same for all
  std::vector<std::int64_t> sizes = wide.sizes().vec();
  sizes[static_cast<std::size_t>(axis < 0 ? axis + wide.dim() : axis)] = a[2].toInt();
  return IValue(wide.expand(sizes));
}

// In the order of k_vmap_names.
constexpr std::array<SymFunction, k_vmap_names.size()> k_functions = {nothing, enter, leave, add_axis,
                                                                      remove_axis};

} // namespace

SymFunction find_vmap_function(std::string_view target) {
  const auto* found = std::ranges::find(k_vmap_names, target);
  return found == k_vmap_names.end() ? nullptr
                                     : k_functions[static_cast<std::size_t>(found - k_vmap_names.begin())];
}

VmapScope::VmapScope() : m_depth(depth()) {}

VmapScope::~VmapScope() {
  while (depth() > m_depth)
    functorch::popDynamicLayerAndDeleteMetadata();
}

} // namespace mrun::torch_engine
