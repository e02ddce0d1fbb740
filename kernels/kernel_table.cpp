#include "kernels/kernel_table.h"

#include <array>

namespace mrun::kernels {

#define MRUN_KERNEL(name) void bench_##name(const BenchReport& report);
#include "kernels.inc"
#undef MRUN_KERNEL

namespace {
constexpr auto k_rows = std::to_array<KernelRow>({
#define MRUN_KERNEL(name) {#name, bench_##name},
#include "kernels.inc"
#undef MRUN_KERNEL
});
} // namespace

std::span<const KernelRow> kernel_rows() {
  return k_rows;
}

} // namespace mrun::kernels
