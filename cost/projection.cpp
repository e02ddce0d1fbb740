#include "cost/projection.h"

#include <algorithm>

#include <fmt/format.h>

namespace mrun {
namespace {

constexpr double k_compute_error = 0.10,
                 k_memory_error = 0.25; // of public measurements (docs/formats/cost.md)

} // namespace

Projection project(const Measured& measured, const Device& to) {
  Projection result;
  result.device = to.name;
  if (measured.bytes > to.memory_gb * 1e9) {
    result.not_feasible =
        fmt::format("it needs {:.1f} GB, {} has {:.0f} GB", measured.bytes / 1e9, to.name, to.memory_gb);
    return result;
  }
  const std::optional<double> rate = to.rate(measured.dtype);
  if (!rate) {
    result.not_feasible = measured.dtype == "fp32"
                              ? fmt::format("what {} does in fp32 is not known", to.name)
                              : fmt::format("{} has no units for {}", to.name, measured.dtype);
    return result;
  }
  const double by_compute = measured.seconds * measured.tflops / *rate;
  const double by_memory = measured.seconds * measured.memory_gbs / to.memory_gbs;
  result.least_s = std::min(by_compute * (1 - k_compute_error), by_memory * (1 - k_memory_error));
  result.most_s = std::max(by_compute * (1 + k_compute_error), by_memory * (1 + k_memory_error));
  result.basis =
      fmt::format("{:.4g} → {:.4g} TFLOP/s {} and {:.4g} → {:.4g} GB/s; {} ({}), confidence {}",
                  measured.tflops, *rate, measured.dtype, measured.memory_gbs, to.memory_gbs,
                  measured.dtype == "fp32" ? to.fp32_source : to.source, to.read_on, to.confidence);
  result.dtype = measured.dtype;
  return result;
}

} // namespace mrun
