// AOTInductor packages: native code made of a program ahead of time (aoti_package.h).
#pragma once

#include "runtime/engines/torch/model.h"

namespace mrun::torch_engine {

// Unpacks the package into the bundle's cache folder, once, and opens it there. The caller has made sure of
// the consent. `concurrency`: runs at once. Errors: engine_unsupported (made for another machine, device or
// LibTorch; no compiled library), load_failed, io, disk_full.
Result<std::unique_ptr<Model>> load_aoti(const mrun_host& host, const Archive& archive,
                                         const mrun_model& description);

} // namespace mrun::torch_engine
