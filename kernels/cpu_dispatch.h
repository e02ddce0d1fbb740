// CPU versions of a kernel: which instruction sets this CPU runs, and one body compiled for several of them.
//
// Results never depend on the instruction set: bodies add in an order that the kernel's header fixes, nothing
// is contracted to a fused multiply-add (-ffp-contract=off for this folder), and tests compare each version
// with the reference bit by bit. No ifunc: resolvers run before the sanitizers are set up.
#pragma once

#include <cstdint>
#include <span>

namespace mrun::kernels {

enum class CpuIsa : std::uint8_t {
  baseline, // what the compiler was told
  avx2,
  avx512, // F, BW, VL, DQ and VNNI
};

// The best that this CPU (and its system) has; asked once.
CpuIsa best_cpu_isa();
// All that this CPU has, for tests and benchmarks; the last one is the best.
std::span<const CpuIsa> cpu_isas();
const char* cpu_isa_name(CpuIsa isa);

} // namespace mrun::kernels

#define MRUN_INLINE inline __attribute__((always_inline))

#if defined(__x86_64__)
#define MRUN_TARGET_AVX2 __attribute__((target("avx2")))
#define MRUN_TARGET_AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))
#endif

// void name(CpuIsa isa, const Arguments& arguments), which runs the MRUN_INLINE function body(arguments),
// written without intrinsics, as the compiler vectorises it for `isa`.
#if defined(__x86_64__)
#define MRUN_CPU_DISPATCH(name, body, Arguments)                                                             \
  MRUN_TARGET_AVX512 __attribute__((optimize("O3"))) void name##_avx512(const Arguments& arguments) {        \
    body(arguments);                                                                                         \
  }                                                                                                          \
  MRUN_TARGET_AVX2 __attribute__((optimize("O3"))) void name##_avx2(const Arguments& arguments) {            \
    body(arguments);                                                                                         \
  }                                                                                                          \
  __attribute__((optimize("O3"))) void name##_baseline(const Arguments& arguments) {                         \
    body(arguments);                                                                                         \
  }                                                                                                          \
  void name(CpuIsa isa, const Arguments& arguments) {                                                        \
    if (isa == CpuIsa::avx512)                                                                               \
      name##_avx512(arguments);                                                                              \
    else if (isa == CpuIsa::avx2)                                                                            \
      name##_avx2(arguments);                                                                                \
    else                                                                                                     \
      name##_baseline(arguments);                                                                            \
  }
#else
#define MRUN_CPU_DISPATCH(name, body, Arguments)                                                             \
  void name(CpuIsa, const Arguments& arguments) {                                                            \
    body(arguments);                                                                                         \
  }
#endif
