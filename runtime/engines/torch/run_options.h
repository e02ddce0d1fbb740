// What the model spec says of native code and of how to run (docs/formats/model-spec.md, torch-engine.md). No
// LibTorch.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun::torch_engine {

struct RunOptions {
  bool native_code = false;           // the owner's consent, by the daemon's word
  std::vector<std::string> operators; // `options.operators`: libraries, paths in the bundle
  bool bf16 = false;                  // `options.dtype`
};

// Error load_failed: no such JSON; engine_unsupported: an option that the engine does not know.
Result<RunOptions> read_run_options(std::string_view spec_json);

} // namespace mrun::torch_engine
