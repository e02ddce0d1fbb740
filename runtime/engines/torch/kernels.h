// Whether an operator has a kernel that tensors of a device can reach.
#pragma once

#include <algorithm>
#include <initializer_list>

#include <ATen/core/dispatch/Dispatcher.h>

namespace mrun::torch_engine {

// Composite operators, those that choose by something else than a tensor (BackendSelect), and those of sparse
// or quantized tensors count. On a GPU those of the CPU do, too: such a program may hold tensors there on
// purpose.
inline bool has_kernel(const c10::OperatorHandle& op, bool on_gpu) {
  using c10::DispatchKey;
  const auto any = [&](std::initializer_list<DispatchKey> keys) {
    return std::ranges::any_of(keys,
                               [&](DispatchKey key) { return op.hasComputedKernelForDispatchKey(key); });
  };
  const bool cpu = any({DispatchKey::CPU, DispatchKey::SparseCPU, DispatchKey::SparseCsrCPU,
                        DispatchKey::QuantizedCPU, DispatchKey::MkldnnCPU, DispatchKey::NestedTensorCPU}) ||
                   op.hasKernelForDispatchKey(DispatchKey::BackendSelect);
  return cpu || (on_gpu && any({DispatchKey::CUDA, DispatchKey::SparseCUDA, DispatchKey::SparseCsrCUDA,
                                DispatchKey::QuantizedCUDA, DispatchKey::NestedTensorCUDA}));
}

} // namespace mrun::torch_engine
