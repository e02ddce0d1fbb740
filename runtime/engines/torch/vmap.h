// torch.vmap in exported programs: calls of Python's functorch that stand around the operators of the mapped
// function, as torch/_functorch/predispatch.py has them. They change what LibTorch does on this thread, so
// they run in their order, whether or not somebody reads what they give.
#pragma once

#include "runtime/engines/torch/sym_ops.h"

namespace mrun::torch_engine {

// nullptr for a target that is none of k_vmap_names.
SymFunction find_vmap_function(std::string_view target);

// Leaves what was entered while it lived: a prediction may fail or be cancelled in the middle.
class VmapScope {
 public:
  VmapScope();
  ~VmapScope();
  VmapScope(const VmapScope&) = delete;
  VmapScope& operator=(const VmapScope&) = delete;

 private:
  std::size_t m_depth;
};

} // namespace mrun::torch_engine
