#include "scale_shift.h"

#include <cuda_runtime.h>

namespace {

__global__ void scale_shift_kernel(const float* x, float* y, std::size_t count, float scale, float shift) {
  const std::size_t i = std::size_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (i < count) y[i] = x[i] * scale + shift;
}

} // namespace

int scale_shift_cuda(const float* x, float* y, std::size_t count, float scale, float shift, void* stream) {
  if (count == 0) return 0;
  constexpr unsigned k_threads = 256;
  const auto blocks = static_cast<unsigned>((count + k_threads - 1) / k_threads);
  scale_shift_kernel<<<blocks, k_threads, 0, static_cast<cudaStream_t>(stream)>>>(x, y, count, scale, shift);
  return static_cast<int>(cudaGetLastError());
}
