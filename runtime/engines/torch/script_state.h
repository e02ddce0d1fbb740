// What a TorchScript module keeps from one run to the next, and how predictions don't see it of each other.
// Goes with TorchScript (torchscript_model.cpp).
#pragma once

#include <torch/csrc/jit/api/module.h>

#include "common/error.h"

namespace mrun::torch_engine {

// Freezing makes constants of the attributes that it takes for unwritten, and computes what depends on them.
// It goes by the operators' schemas, which do not tell all (shared_memory.h). Both are of a frozen module:

// Whether its constants may be written all the same: then it must not be frozen.
bool writes_constants(const torch::jit::Module& module);
// For a file that is frozen already: such constants become attributes again. Error engine_unsupported: lists
// of tensors among them.
Result<void> keep_written_constants(torch::jit::Module& module);

// Whether attributes are left that a run may write into: each prediction then runs on a module of its own.
bool has_state(const torch::jit::Module& module);
// With attributes of its own and the same code. Packed weights (classes of torch.classes) are shared.
torch::jit::Module with_own_state(const torch::jit::Module& module);

} // namespace mrun::torch_engine
