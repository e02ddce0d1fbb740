#include "kernels/cpu_dispatch.h"

#include <array>

namespace mrun::kernels {

std::span<const CpuIsa> cpu_isas() {
  static constexpr std::array all = {CpuIsa::baseline, CpuIsa::avx2, CpuIsa::avx512};
#if defined(__x86_64__)
  static const std::size_t count = []() -> std::size_t {
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2") == 0) return 1;
    const bool avx512 = __builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                        __builtin_cpu_supports("avx512vl") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
                        __builtin_cpu_supports("avx512vnni") != 0;
    return avx512 ? 3 : 2;
  }();
  return std::span(all).first(count);
#else
  return std::span(all).first(1);
#endif
}

CpuIsa best_cpu_isa() {
  return cpu_isas().back();
}

const char* cpu_isa_name(CpuIsa isa) {
  return isa == CpuIsa::avx512 ? "avx512" : isa == CpuIsa::avx2 ? "avx2" : "baseline";
}

} // namespace mrun::kernels
