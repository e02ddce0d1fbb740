// Functions that the CPU versions and the CUDA source share, so that both compute the same bits.
#pragma once

#ifdef __CUDACC__
#define MRUN_HOST_DEVICE __host__ __device__ __forceinline__
#else
#define MRUN_HOST_DEVICE inline __attribute__((always_inline))
#endif

namespace mrun::kernels {

// `to` is as large as `from`: std::bit_cast, which device code has not.
template<class To, class From>
MRUN_HOST_DEVICE To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  __builtin_memcpy(&to, &from, sizeof to);
  return to;
}

} // namespace mrun::kernels
