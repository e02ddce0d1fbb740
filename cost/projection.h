// A measured time carried over to another device: always a range, never mixed with what was measured.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "cost/devices.h"

namespace mrun {

struct Projection {
  std::string device;
  std::optional<std::string> not_feasible; // why it can't run there at all
  double least_s = 0, most_s = 0;
  std::string dtype; // that it was reckoned with
  std::string basis; // how the range came about, and from which figures
};

struct Measured {
  double seconds = 0;
  double bytes = 0;       // weights and the rest, in memory; 0: not known
  std::string_view dtype; // fp32, fp16, bf16, int8, fp8
  double tflops = 0;      // of the device that was measured, for that dtype
  double memory_gbs = 0;  // of its memory
};

// Feasibility first: memory, then the number format. Then the ratio form of the roofline: bound by compute,
// t·P_s/P_d ± 10 %; bound by memory, t·W_s/W_d ± 25 %; which of both is not known, so the range holds both.
Projection project(const Measured& measured, const Device& to);

} // namespace mrun
