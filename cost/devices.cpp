#include "cost/devices.h"

#include <cmath>

#include <fmt/format.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/text.h"
#include "cost/price_rules.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_bytes = 1 * k_mib;
constexpr std::size_t k_max_devices = 1000;
constexpr double k_tolerance = 0.05;

Result<std::optional<double>> number(const Json& row, const char* key, const std::string& name) {
  const auto found = row.find(key);
  if (found == row.end() || found->is_null()) return std::optional<double>();
  if (!found->is_number() || !std::isfinite(found->get<double>()) || found->get<double>() <= 0)
    return fail(ErrorCode::price_file, fmt::format("device '{}': `{}` is not a positive number", name, key));
  return std::optional(found->get<double>());
}

Result<Device> read_device(const Json& row, std::size_t index) {
  if (!row.is_object()) return fail(ErrorCode::price_file, fmt::format("device {} is not an object", index));
  const std::string what = fmt::format("device {}", index);
  Device device;
  MRUN_ASSIGN(device.name, need_string(row, "device", ErrorCode::price_file, what));
  const std::string name = printable(device.name, 60);
  MRUN_ASSIGN(device.fp32_tflops, number(row, "fp32_tflops", name));
  MRUN_ASSIGN(device.fp16_tflops, number(row, "fp16_tflops", name));
  MRUN_ASSIGN(device.bf16_tflops, number(row, "bf16_tflops", name));
  MRUN_ASSIGN(device.int8_tops, number(row, "int8_tops", name));
  MRUN_ASSIGN(device.fp8_tflops, number(row, "fp8_tflops", name));
  MRUN_ASSIGN(device.ridge, number(row, "fp16_ridge_flop_per_byte", name));
  MRUN_ASSIGN(const std::optional<double> bandwidth, number(row, "memory_bandwidth_gbs", name));
  MRUN_ASSIGN(const std::optional<double> memory, number(row, "memory_gb", name));
  if (!bandwidth || !memory)
    return fail(ErrorCode::price_file, fmt::format("device '{}' has no memory size or bandwidth", name));
  device.memory_gbs = *bandwidth;
  device.memory_gb = *memory;
  MRUN_ASSIGN(const std::optional<std::string> source,
              json_string(row, "source", ErrorCode::price_file, what));
  MRUN_ASSIGN(const std::optional<std::string> read_on,
              json_string(row, "read_on", ErrorCode::price_file, what));
  MRUN_ASSIGN(const std::optional<std::string> trust,
              json_string(row, "confidence", ErrorCode::price_file, what));
  MRUN_ASSIGN(const std::optional<std::string> fp32_source,
              json_string(row, "fp32_source", ErrorCode::price_file, what));
  device.fp32_source = fp32_source.value_or("unknown");
  device.source = source.value_or("unknown");
  device.read_on = read_on.value_or("unknown");
  device.confidence = trust.value_or("unknown");
  return device;
}

bool is_near(double a, double b) {
  return std::abs(a - b) <= k_tolerance * b;
}

using Figure = std::pair<const char*, std::optional<double> Device::*>;
constexpr Figure k_rates[] = {{"fp32_tflops", &Device::fp32_tflops},
                              {"fp16_tflops", &Device::fp16_tflops},
                              {"bf16_tflops", &Device::bf16_tflops},
                              {"int8_tops", &Device::int8_tops},
                              {"fp8_tflops", &Device::fp8_tflops}};

void compare_rates(const Device& device, const Device& known, std::vector<std::string>& faults) {
  for (const auto& [name, member] : k_rates) {
    const std::optional<double>&here = device.*member, &there = known.*member;
    if (!here) continue;
    if (!there) {
      faults.push_back(
          fmt::format("{}: {} {} of a device that has no units for it", device.name, name, *here));
    } else if (is_near(*here, 2 * *there)) {
      faults.push_back(fmt::format("{}: {} {} is the rate with sparsity; dense it is {}", device.name, name,
                                   *here, *there));
    } else if (!is_near(*here, *there)) {
      faults.push_back(fmt::format("{}: {} {} is not the known {}", device.name, name, *here, *there));
    }
  }
}

void compare_memory(const Device& device, const Device& known, const std::vector<Device>& all,
                    std::vector<std::string>& faults) {
  if (!is_near(device.memory_gb, known.memory_gb))
    faults.push_back(
        fmt::format("{}: memory_gb {} is not the known {}", device.name, device.memory_gb, known.memory_gb));
  if (is_near(device.memory_gbs, known.memory_gbs)) return;
  std::string whose;
  double nearest_gbs = 0;
  for (const Device& other : all) {
    const bool is_nearer = whose.empty() || std::abs(device.memory_gbs - other.memory_gbs) < nearest_gbs;
    if (other.name == known.name || !is_near(device.memory_gbs, other.memory_gbs) || !is_nearer) continue;
    whose = other.name;
    nearest_gbs = std::abs(device.memory_gbs - other.memory_gbs);
  }
  faults.push_back(fmt::format("{}: memory_bandwidth_gbs {} is not the known {}{}", device.name,
                               device.memory_gbs, known.memory_gbs,
                               whose.empty() ? "" : fmt::format(", but that of {}", whose)));
}

} // namespace

std::optional<double> Device::rate(std::string_view dtype) const {
  if (dtype == "fp32") return fp32_tflops;
  if (dtype == "fp16") return fp16_tflops;
  if (dtype == "bf16") return bf16_tflops;
  if (dtype == "int8") return int8_tops;
  if (dtype == "fp8") return fp8_tflops;
  return std::nullopt;
}

Result<std::vector<Device>> parse_devices(std::string_view text) {
  MRUN_ASSIGN(const Json root, parse_json(text, ErrorCode::price_file, "the table of devices"));
  if (!root.is_array() || root.size() > k_max_devices)
    return fail(ErrorCode::price_file, "the table of devices is not an array of at most 1,000 objects");
  std::vector<Device> devices;
  for (std::size_t i = 0; i < root.size(); ++i) {
    MRUN_ASSIGN(Device device, read_device(root[i], i + 1));
    devices.push_back(std::move(device));
  }
  return devices;
}

Result<std::vector<Device>> load_devices(const std::string& path) {
  MRUN_ASSIGN(const std::string text, read_file(path, k_max_bytes, ErrorCode::io, ErrorCode::price_file));
  return parse_devices(text);
}

Result<const Device*> find_device(const std::vector<Device>& devices, std::string_view name) {
  std::vector<const Device*> found;
  std::vector<std::string> names;
  for (const Device& device : devices) {
    if (device.name == name) return &device;
    if (has_word(lower_ascii(device.name), lower_ascii(name))) {
      found.push_back(&device);
      names.push_back(device.name);
    }
  }
  if (found.size() == 1) return found.front();
  if (!found.empty())
    return fail(ErrorCode::price_unknown, fmt::format("'{}' is several devices", printable(name, 60)),
                fmt::format("name one: {}", fmt::join(names, ", ")));
  for (const Device& device : devices)
    names.push_back(device.name);
  return fail(ErrorCode::price_unknown, fmt::format("there is no device '{}'", printable(name, 60)),
              fmt::format("known are {}", fmt::join(names, ", ")));
}

std::vector<std::string> check_devices(const std::vector<Device>& table, const std::vector<Device>& known) {
  std::vector<std::string> faults;
  for (const Device& device : table) {
    if (device.fp16_tflops && device.ridge &&
        !is_near(*device.fp16_tflops * 1000 / device.memory_gbs, *device.ridge))
      faults.push_back(fmt::format("{}: {} TFLOP/s and {} GB/s do not give a ridge of {}", device.name,
                                   *device.fp16_tflops, device.memory_gbs, *device.ridge));
    for (const Device& other : known) {
      if (other.name != device.name) continue;
      compare_rates(device, other, faults);
      compare_memory(device, other, known, faults);
    }
  }
  return faults;
}

} // namespace mrun
