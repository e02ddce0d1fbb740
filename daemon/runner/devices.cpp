#include "daemon/runner/devices.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "common/text.h"
#include "daemon/runner/load_spec.h"

namespace mrun {
namespace {

constexpr std::string_view k_gpu_file = "nvidia";
constexpr std::string_view k_cuda = "cuda";

std::optional<int> number(std::string_view text) {
  int value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  const bool plain = !text.empty() && text.size() <= 3 && text[0] >= '0' && text[0] <= '9';
  if (!plain || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The N of `cuda:N`; `cuda` is cuda:0.
std::optional<int> gpu_index(std::string_view device) {
  if (device == k_cuda) return 0;
  if (!device.starts_with(k_cuda) || device.substr(k_cuda.size(), 1) != ":") return std::nullopt;
  return number(device.substr(k_cuda.size() + 1));
}

bool allows(const Manifest& manifest, std::string_view device) {
  return manifest.devices.empty() || std::ranges::find(manifest.devices, device) != manifest.devices.end();
}

Result<void> check_requires(const Manifest& manifest, std::string_view device) {
  if (allows(manifest, device)) return {};
  return fail(ErrorCode::device_unavailable,
              fmt::format("model '{}' runs on {}, not on {}", manifest.name,
                          fmt::join(manifest.devices, " or "), device),
              "see `requires.devices` in its mrun.yaml");
}

// Why no model of this engine can run on cuda:`index` here.
Result<void> check_cuda(const RunnerConfig& config, const Manifest& manifest, int index) {
  MRUN_TRY(check_requires(manifest, k_cuda));
  if (!needs_torch(manifest.engine))
    return fail(ErrorCode::device_unavailable,
                fmt::format("engine '{}' runs models on the cpu only", manifest.engine));
  if (index >= config.gpu_count)
    return fail(ErrorCode::device_unavailable,
                config.gpu_count == 0
                    ? std::string("this machine has no NVIDIA GPU, or no driver for it (no /dev/nvidia0)")
                    : fmt::format("there is no device cuda:{}: this machine has {} GPU{}", index,
                                  config.gpu_count, config.gpu_count == 1 ? "" : "s"));
  if (!config.torch_dir.empty() && !std::filesystem::exists(config.torch_dir + "/lib/libtorch_cuda.so"))
    return fail(ErrorCode::device_unavailable,
                fmt::format("the LibTorch in {} is one for a CPU", config.torch_dir),
                "point MRUN_TORCH_DIR to one with CUDA, then `mrun daemon stop`");
  return {};
}

} // namespace

int count_gpus(const std::filesystem::path& devices) {
  int count = 0;
  std::error_code failed;
  for (const auto& entry : std::filesystem::directory_iterator(devices, failed)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(k_gpu_file) && number(std::string_view(name).substr(k_gpu_file.size()))) ++count;
  }
  return count;
}

Result<std::string> resolve_device(const RunnerConfig& config, const std::string& asked,
                                   const Manifest& manifest) {
  if (asked == "auto") {
    if (check_cuda(config, manifest, 0)) return "cuda:0";
    if (allows(manifest, "cpu")) return "cpu";
    return tl::unexpected(check_cuda(config, manifest, 0).error());
  }
  if (asked == "cpu") {
    MRUN_TRY(check_requires(manifest, "cpu"));
    return asked;
  }
  const std::optional<int> index = gpu_index(asked);
  if (!index)
    return fail(ErrorCode::device_unavailable, fmt::format("there is no device '{}'", printable(asked, 40)),
                "a device is auto, cpu, cuda or cuda:N");
  MRUN_TRY(check_cuda(config, manifest, *index));
  return fmt::format("{}:{}", k_cuda, *index);
}

std::string why_not_gpu(const RunnerConfig& config, const Manifest& manifest) {
  const bool names_gpu = std::ranges::find(manifest.devices, k_cuda) != manifest.devices.end();
  const bool may_use_gpu = config.gpu_count > 0 && needs_torch(manifest.engine) && allows(manifest, k_cuda);
  if (!names_gpu && !may_use_gpu) return "";
  const Result<void> cuda = check_cuda(config, manifest, 0);
  return cuda ? "" : cuda.error().message;
}

} // namespace mrun
