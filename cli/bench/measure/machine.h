// What a result was measured on.
#pragma once

#include <filesystem>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// Reads /proc and /sys; what can't be told stays empty.
MachineFacts read_machine(const std::filesystem::path& store);

} // namespace mrun::bench
