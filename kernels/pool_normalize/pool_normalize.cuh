// One block a row of the batch: each thread adds up columns, token by token; then one warp takes the norm,
// lane by lane as the header's 32 partial sums; then all divide. Bits as on the CPU (built with -fmad=false).
#pragma once

#include <cstddef>

#include "kernels/cuda/device.h"

namespace mrun::kernels {

inline constexpr unsigned k_pool_threads = 512; // at most
// Tokens that are on their way from memory while others are added.
inline constexpr unsigned k_pool_ahead = 16;

MRUN_HOST_DEVICE float pool_at_least(float value, float least) {
  return value > least || value != value ? value : least; // NaN stays
}

// The masked mean of one column, in the order of the tokens. `column` is its first number.
template<bool is_masked>
MRUN_HOST_DEVICE float pool_column(const float* __restrict__ column, const float* __restrict__ weights,
                                   std::size_t tokens, std::size_t width) {
  float sum = 0, weight_sum = 0;
  std::size_t t = 0;
  for (; t + k_pool_ahead <= tokens; t += k_pool_ahead) {
    float values[k_pool_ahead];
    for (unsigned i = 0; i < k_pool_ahead; ++i)
      values[i] = column[(t + i) * width];
    for (unsigned i = 0; i < k_pool_ahead; ++i) {
      const float weight = is_masked ? weights[t + i] : 1.0f;
      sum += values[i] * weight;
      weight_sum += weight;
    }
  }
  for (; t < tokens; ++t) {
    const float weight = is_masked ? weights[t] : 1.0f;
    sum += column[t * width] * weight;
    weight_sum += weight;
  }
  return sum / pool_at_least(weight_sum, 1e-9f);
}

__global__ void __launch_bounds__(k_pool_threads)
    pool_normalize_kernel(const float* in, const float* mask, std::size_t tokens, std::size_t width,
                          float epsilon, float* out) {
  MRUN_SHARED(float, norm, 1);
  const std::size_t row = blockIdx.x;
  const unsigned thread = threadIdx.x;
  const float* vectors = in + row * tokens * width;
  float* pooled = out + row * width;

  for (std::size_t i = thread; i < width; i += blockDim.x)
    pooled[i] = mask == nullptr ? pool_column<false>(vectors + i, nullptr, tokens, width)
                                : pool_column<true>(vectors + i, mask + row * tokens, tokens, width);
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
  for (std::size_t i = thread; i < width; i += blockDim.x)
    pooled[i] /= norm[0];
}

// Threads of a block: as few passes over the columns as can be, and then no more threads than they need.
inline unsigned pool_block(std::size_t width) {
  const std::size_t passes = (width + k_pool_threads - 1) / k_pool_threads;
  const std::size_t columns = (width + passes - 1) / passes;
  return static_cast<unsigned>((columns + 31) / 32 * 32);
}

inline int launch_pool_normalize(const float* in, const float* mask, std::size_t batch, std::size_t tokens,
                                 std::size_t width, float epsilon, float* out, void* stream) {
  if (batch == 0 || width == 0) return k_cuda_success;
  if (batch > 0x7fffffffU) return k_cuda_invalid_value;
  return MRUN_LAUNCH(pool_normalize_kernel, dim3(static_cast<unsigned>(batch)), dim3(pool_block(width)),
                     stream, in, mask, tokens, width, epsilon, out);
}

} // namespace mrun::kernels
