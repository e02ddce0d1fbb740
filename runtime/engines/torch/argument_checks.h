// Shapes and indices that operators of LibTorch take at their word, checked before they run.
//
// These kernels read or write beyond their tensors when an argument does not fit the others, and models have
// use for them, so they can't be refused (allowed.h). Each is wrapped by a check at a dispatch key of its
// own, which every call passes through while an ArgumentChecks::Scope is on its thread: those of a program,
// and those that LibTorch's own operators make inside. tests/torch/past_memory.py calls them with arguments
// that do not fit.
#pragma once

#include <c10/core/impl/LocalDispatchKeySet.h>
#include <torch/library.h>

#include "runtime/engines/torch/torch_headers.h"

namespace mrun::torch_engine {

// Their registrations, for as long as it lives. Not two at a time.
class ArgumentChecks {
 public:
  ArgumentChecks();

  // LibTorch keeps this key for its own tests; nothing of it is registered.
  static constexpr c10::DispatchKey k_key = c10::DispatchKey::TESTING_ONLY_GenericMode;

  // While it lives, this thread's calls are checked. An argument that does not fit is a c10::Error that names
  // it.
  class Scope {
    c10::impl::IncludeDispatchKeyGuard m_guard{k_key};
  };

 private:
  torch::Library m_fallthrough;
  torch::Library m_aten;
  torch::Library m_quantized;
};

} // namespace mrun::torch_engine
