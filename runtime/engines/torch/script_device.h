// The devices that a TorchScript file names in its code, replaced by the one that it runs on.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace mrun::torch_engine {

// Every function and method that the file brought. Before freezing and before the first run: LibTorch keeps
// what it made of a graph. A device that the code computes of a string that it was given stays what it says.
void set_script_device(const torch::jit::Module& module, c10::Device device);

} // namespace mrun::torch_engine
