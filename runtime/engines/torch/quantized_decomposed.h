// The namespace `quantized_decomposed` of quantized programs (PT2E, torchao), which PyTorch registers by
// Python alone: the operators of quantized_names.h, each by the operators of LibTorch that
// torch/ao/quantization/fx/_decomposed.py (torch 2.14) calls, in its order, so to the last bit what Python
// gives.
#pragma once

#include <torch/library.h>

#include "runtime/engines/torch/torch_headers.h"

namespace mrun::torch_engine {

// Their registrations, for as long as it lives. Not two at a time.
class QuantizedOperators {
 public:
  // Registers those that no library has registered before.
  QuantizedOperators();

 private:
  torch::Library m_library;
};

} // namespace mrun::torch_engine
