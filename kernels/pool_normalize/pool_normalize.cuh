// One block a row of the batch: each thread adds up columns, token by token; then one warp takes the norm,
// lane by lane as the header's 32 partial sums; then all divide. Bits as on the CPU (built with -fmad=false).
#pragma once

#include <cstddef>

#include "kernels/cuda/device.h"

namespace mrun::kernels {

inline constexpr unsigned k_pool_threads = 256;

MRUN_HOST_DEVICE float pool_at_least(float value, float least) {
  return value > least || value != value ? value : least; // NaN stays
}

__global__ void __launch_bounds__(k_pool_threads)
    pool_normalize_kernel(const float* in, const float* mask, std::size_t tokens, std::size_t width,
                          float epsilon, float* out) {
  MRUN_SHARED(float, norm, 1);
  const std::size_t row = blockIdx.x;
  const unsigned thread = threadIdx.x;
  const float* vectors = in + row * tokens * width;
  const float* weights = mask == nullptr ? nullptr : mask + row * tokens;
  float* pooled = out + row * width;

  float weight_sum = 0;
  for (std::size_t t = 0; t < tokens; ++t)
    weight_sum += weights == nullptr ? 1.0f : weights[t];
  const float divisor = pool_at_least(weight_sum, 1e-9f);
  for (std::size_t i = thread; i < width; i += k_pool_threads) {
    float sum = 0;
    for (std::size_t t = 0; t < tokens; ++t)
      sum += vectors[t * width + i] * (weights == nullptr ? 1.0f : weights[t]);
    pooled[i] = sum / divisor;
  }
  __syncthreads();

  if (thread < 32) {
    double sum = 0;
    for (std::size_t i = thread; i < width; i += 32)
      sum += static_cast<double>(pooled[i]) * static_cast<double>(pooled[i]);
    for (unsigned half = 16; half > 0; half /= 2)
      sum += __shfl_xor_sync(0xffffffffU, sum, half);
    if (thread == 0) norm[0] = pool_at_least(static_cast<float>(sqrt(sum)), epsilon);
  }
  __syncthreads();
  for (std::size_t i = thread; i < width; i += k_pool_threads)
    pooled[i] /= norm[0];
}

inline int launch_pool_normalize(const float* in, const float* mask, std::size_t batch, std::size_t tokens,
                                 std::size_t width, float epsilon, float* out, void* stream) {
  if (batch == 0 || width == 0) return k_cuda_success;
  if (batch > 0x7fffffffU) return k_cuda_invalid_value;
  return MRUN_LAUNCH(pool_normalize_kernel, dim3(static_cast<unsigned>(batch)), dim3(k_pool_threads), stream,
                     in, mask, tokens, width, epsilon, out);
}

} // namespace mrun::kernels
