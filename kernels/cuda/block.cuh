// Reductions over the threads of a block.
#pragma once

#include "kernels/cuda/device.h"

namespace mrun::kernels {

// Combines every thread's value; all threads get the result. `combine` must not care about the order
// (maximum, integer sum). `warps`: shared memory for one value a warp. The block has `Threads` threads in one
// dimension, a multiple of 32; all of them call it.
template<unsigned Threads, class T, class Combine>
__device__ T block_reduce(T value, T* warps, Combine combine) {
  static_assert(Threads % 32 == 0);
  for (unsigned half = 16; half > 0; half /= 2)
    value = combine(value, __shfl_xor_sync(0xffffffffU, value, half));
  if (threadIdx.x % 32 == 0) warps[threadIdx.x / 32] = value;
  __syncthreads();
  T all = warps[0];
  for (unsigned warp = 1; warp < Threads / 32; ++warp)
    all = combine(all, warps[warp]);
  __syncthreads(); // `warps` may be used again
  return all;
}

} // namespace mrun::kernels
