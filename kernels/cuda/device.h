// What a kernel's .cuh includes: CUDA with nvcc, else an emulation of it on the CPU (emulation.h), so that
// one source is compiled by nvcc for GPUs and by the C++ compiler for tests, where sanitizers watch it.
//
// A .cuh keeps to: __global__ functions, threadIdx, blockIdx, blockDim, gridDim, MRUN_SHARED, __syncthreads,
// __shfl_xor_sync, atomicAdd on shared memory. A launch is MRUN_LAUNCH(kernel, grid, block, stream,
// arguments…), with parentheses around a template's name that has a comma.
#pragma once

#include "kernels/cuda/host_device.h"

#ifdef __CUDACC__

#include <cuda_runtime.h>

#define MRUN_SHARED(type, name, count) __shared__ type name[count]
#define MRUN_LAUNCH(kernel, grid, block, stream, ...)                                                        \
  (kernel<<<grid, block, 0, static_cast<cudaStream_t>(stream)>>>(__VA_ARGS__),                               \
   static_cast<int>(cudaGetLastError()))

#else

#include "kernels/cuda/emulation.h"

#endif

namespace mrun::kernels {

// What launchers return: a cudaError_t. These two are named here, so that callers need no CUDA header.
inline constexpr int k_cuda_success = 0;
inline constexpr int k_cuda_invalid_value = 1;

} // namespace mrun::kernels
