// One body, compiled for the baseline and for AVX2; the CPU is asked once, at the first call.
//
// The body is an MRUN_INLINE function without intrinsics that the compiler vectorises for each target. No
// ifunc: resolvers run before the sanitizers are set up.
#pragma once

#define MRUN_INLINE inline __attribute__((always_inline))

#if defined(__x86_64__)
#define MRUN_CPU_DISPATCH(name, body, parameters, arguments)                                                 \
  __attribute__((target("avx2"), optimize("O3"))) void name##_avx2 parameters {                              \
    body arguments;                                                                                          \
  }                                                                                                          \
  __attribute__((optimize("O3"))) void name##_base parameters {                                              \
    body arguments;                                                                                          \
  }                                                                                                          \
  void name parameters {                                                                                     \
    static const bool avx2 = __builtin_cpu_supports("avx2") != 0;                                            \
    if (avx2)                                                                                                \
      name##_avx2 arguments;                                                                                 \
    else                                                                                                     \
      name##_base arguments;                                                                                 \
  }
#else
#define MRUN_CPU_DISPATCH(name, body, parameters, arguments)                                                 \
  void name parameters {                                                                                     \
    body arguments;                                                                                          \
  }
#endif
