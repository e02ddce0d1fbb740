// What devices can do: dense rates, memory, formats (share/mrun/hardware.json), for projections.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun {

// Rates are figures of data sheets, so doubles: no money is computed from them, only times.
struct Device {
  std::string name;
  std::optional<double> fp16_tflops, bf16_tflops, int8_tops, fp8_tflops; // dense; absent: not supported
  std::optional<double> ridge; // fp16 FLOP per byte, as the table has it
  double memory_gbs = 0;       // GB/s
  double memory_gb = 0;        // GB (10^9)
  std::string source, read_on, confidence;
  std::optional<double> fp32_tflops =
      {}; // without tensor cores; absent: not known, every device has units for it
  std::string fp32_source = {};

  // The rate for a number format: fp32, fp16, bf16, int8, fp8. nullopt: the device has no units for it; of
  // fp32: it is not known.
  std::optional<double> rate(std::string_view dtype) const;
};

// Error price_file, naming the row: not an array of devices, a missing or senseless figure, a row without
// source.
Result<std::vector<Device>> parse_devices(std::string_view text);
Result<std::vector<Device>> load_devices(const std::string& path);
// By name, or by a word of it when only one device has it ("H100" is two: error price_unknown with both).
Result<const Device*> find_device(const std::vector<Device>& devices, std::string_view name);

// Traps of data sheets: a sparse rate as a dense one, the bandwidth of a sibling, a rate that contradicts the
// ridge point, and any figure more than 5 % from a known device's. One message a fault.
std::vector<std::string> check_devices(const std::vector<Device>& table, const std::vector<Device>& known);

} // namespace mrun
