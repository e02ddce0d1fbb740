// What a TorchScript file may do, checked before any of it runs.
#pragma once

#include <memory>

#include <caffe2/serialize/read_adapter_interface.h>
#include <torch/csrc/jit/api/module.h>

#include "common/error.h"
#include "runtime/engines/torch/allowed.h"

namespace mrun::torch_engine {

// Before torch::jit::load, which would run `__setstate__` of the file's classes. Reads the code by LibTorch's
// own reader, so that both see the same. Error engine_unsupported: the code has a `__setstate__`;
// load_failed: more than 256 MiB of code. Throws c10::Error for a broken archive.
Result<void> check_script_code(std::shared_ptr<caffe2::serialize::ReadAdapterInterface> file);

// After torch::jit::load and before freezing, which runs what is constant: every function and method that the
// file brought, used or not, with their blocks and subgraphs, and what of LibTorch's own code they call.
// Error engine_unsupported: names the first operator or class that is not allowed (allowed.h), and where it
// stands.
// `own_operators`: allowed beside those of allowed.h.
Result<void> check_script(const torch::jit::Module& module, const OperatorNames& own_operators);

} // namespace mrun::torch_engine
