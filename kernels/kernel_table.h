// The generated table of kernels: what exists, and how fast it is here. kernel_bench runs it.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>

namespace mrun::kernels {

// How a benchmark reports: a case name such as "bilinear 4000x3000 to 341x256", how many bytes one call reads
// and writes, and the call, which the driver repeats and times.
using BenchReport =
    std::function<void(std::string_view case_name, double bytes, const std::function<void()>& call)>;

struct KernelRow {
  std::string_view name; // the folder's
  void (*bench)(const BenchReport& report);
};

std::span<const KernelRow> kernel_rows();

} // namespace mrun::kernels
