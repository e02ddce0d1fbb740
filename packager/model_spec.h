// The model spec: what a worker gets to load (docs/formats/model-spec.md).
#pragma once

#include <cstdint>
#include <string_view>

#include "common/json.h"
#include "packager/store.h"

namespace mrun {

// `device`: cpu, cuda or cuda:N. `threads`: what the worker may use, at least 1. `memory_bytes`: 0 = no
// limit.
Json model_spec(const Bundle& bundle, std::string_view device, int threads, std::uint64_t memory_bytes = 0);

} // namespace mrun
