// The last words of a prediction: how long it took, where the time went, what it cost.
#pragma once

#include <string>

#include "common/json.h"

namespace mrun::cli {

// From a prediction object's `metrics`: "42 ms (cold start 31 ms: import 12 ms, build 10 ms) · cost unknown
// (no rate is set) · replicate/cpu would charge 0.0000042 USD". What is absent is left out; no newline.
std::string summary_line(const Json& metrics);

// "on the cpu: this machine has no NVIDIA GPU": why `auto` chose it, said at a cold start; else "".
std::string device_line(const Json& metrics);

// Phases, one a line, with shares of the total, then memory, sizes, device, cost. Ends with a newline.
std::string timings_table(const Json& metrics);

} // namespace mrun::cli
