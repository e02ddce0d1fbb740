// One block a row. Maximum and fixed-point sum by reductions; then the k largest by radix selection over
// 64-bit keys (probability, then index), eight bits at a time, until exactly k keys are at or above the
// prefix; these are sorted in shared memory. Keys are unique, so the order in which threads collect them
// can't be seen in the result. Bits as on the CPU (built with -fmad=false).
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/cuda/block.cuh"
#include "kernels/softmax_top_k/exponential.h"

namespace mrun::kernels {

inline constexpr unsigned k_top_k_threads = 256;
inline constexpr unsigned k_top_k_most = 1024; // keys that shared memory holds

struct MaximumOrNan {
  MRUN_HOST_DEVICE float operator()(float a, float b) const { return a != a || a > b ? a : b; }
};

struct IntegerSum {
  MRUN_HOST_DEVICE std::int64_t operator()(std::int64_t a, std::int64_t b) const { return a + b; }
};

// The row's i-th probability as a key: larger is better, and of equal ones the lower index. Probabilities are
// not negative, so their bits order as they do.
struct RowKeys {
  const float* row;
  float largest;
  double total;

  MRUN_HOST_DEVICE std::uint64_t operator()(std::size_t i) const {
    const float value = probability(exp_of_negative(row[i] - largest), total);
    return static_cast<std::uint64_t>(bits_as<std::uint32_t>(value)) << 32 |
           (0xffffffffU - static_cast<std::uint32_t>(i));
  }
};

// What is known of the k-th largest key: its bits under `mask`.
struct Prefix {
  std::uint64_t bits, mask;
};

// `histogram`: shared, 256 counters; `decision`: shared, 3 numbers.
__device__ inline Prefix find_prefix(const RowKeys& keys, std::size_t width, unsigned k, unsigned* histogram,
                                     unsigned* decision) {
  Prefix prefix{0, 0};
  unsigned wanted = k;
  for (int shift = 56; shift >= 0; shift -= 8) {
    for (unsigned i = threadIdx.x; i < 256; i += k_top_k_threads)
      histogram[i] = 0;
    __syncthreads();
    for (std::size_t i = threadIdx.x; i < width; i += k_top_k_threads) {
      const std::uint64_t key = keys(i);
      if ((key & prefix.mask) == prefix.bits) atomicAdd(&histogram[key >> shift & 255], 1U);
    }
    __syncthreads();
    if (threadIdx.x == 0) {
      unsigned digit = 255, left = wanted;
      for (; histogram[digit] < left; --digit) // there are at least `wanted` keys, so this ends
        left -= histogram[digit];
      decision[0] = digit;
      decision[1] = left;
      decision[2] = histogram[digit];
    }
    __syncthreads();
    prefix.bits |= static_cast<std::uint64_t>(decision[0]) << shift;
    prefix.mask |= std::uint64_t{255} << shift;
    wanted = decision[1];
    if (decision[2] == wanted) break; // all of this digit are taken; the same for every thread
  }
  return prefix;
}

// Descending; `count` is a power of two.
__device__ inline void sort_keys(std::uint64_t* keys, unsigned count) {
  for (unsigned run = 2; run <= count; run *= 2)
    for (unsigned step = run / 2; step > 0; step /= 2) {
      for (unsigned i = threadIdx.x; i < count; i += k_top_k_threads) {
        const unsigned other = i ^ step;
        const bool descending = (i & run) == 0;
        if (other > i && (keys[i] < keys[other]) == descending) {
          const std::uint64_t key = keys[i];
          keys[i] = keys[other];
          keys[other] = key;
        }
      }
      __syncthreads();
    }
}

__global__ void __launch_bounds__(k_top_k_threads)
    softmax_top_k_kernel(const float* in, std::size_t width, unsigned k, std::int64_t* indices,
                         float* scores) {
  MRUN_SHARED(float, warp_maximum, k_top_k_threads / 32);
  MRUN_SHARED(std::int64_t, warp_sum, k_top_k_threads / 32);
  MRUN_SHARED(unsigned, histogram, 256);
  MRUN_SHARED(unsigned, decision, 3);
  MRUN_SHARED(unsigned, found, 1);
  MRUN_SHARED(std::uint64_t, best, k_top_k_most);
  const float* row = in + blockIdx.x * width;
  indices += std::size_t{blockIdx.x} * k;
  scores += std::size_t{blockIdx.x} * k;

  float largest = row[0];
  for (std::size_t i = threadIdx.x; i < width; i += k_top_k_threads)
    largest = MaximumOrNan{}(largest, row[i]);
  largest = block_reduce<k_top_k_threads>(largest, warp_maximum, MaximumOrNan{});
  const float difference = largest - largest; // not 0 for infinities and NaN
  if (difference != 0.0f) {
    for (unsigned i = threadIdx.x; i < k; i += k_top_k_threads) {
      indices[i] = i;
      scores[i] = bits_as<float>(0x7fc00000U);
    }
    return;
  }

  const double scale = sum_scale(width);
  std::int64_t sum = 0;
  for (std::size_t i = threadIdx.x; i < width; i += k_top_k_threads)
    sum += fixed_point(exp_of_negative(row[i] - largest), scale);
  sum = block_reduce<k_top_k_threads>(sum, warp_sum, IntegerSum{});
  const RowKeys keys{row, largest, static_cast<double>(sum) / scale};

  const Prefix prefix = find_prefix(keys, width, k, histogram, decision);
  unsigned sorted = 1;
  while (sorted < k)
    sorted *= 2;
  for (unsigned i = threadIdx.x; i < sorted; i += k_top_k_threads)
    best[i] = 0; // below every key
  if (threadIdx.x == 0) found[0] = 0;
  __syncthreads();
  for (std::size_t i = threadIdx.x; i < width; i += k_top_k_threads) {
    const std::uint64_t key = keys(i);
    if ((key & prefix.mask) >= prefix.bits) best[atomicAdd(&found[0], 1U)] = key;
  }
  __syncthreads();
  sort_keys(best, sorted);
  for (unsigned i = threadIdx.x; i < k; i += k_top_k_threads) {
    indices[i] = 0xffffffffU - static_cast<std::uint32_t>(best[i]);
    scores[i] = bits_as<float>(static_cast<std::uint32_t>(best[i] >> 32));
  }
}

inline int launch_softmax_top_k(const float* in, std::size_t rows, std::size_t width, std::size_t k,
                                std::int64_t* indices, float* scores, void* stream) {
  if (rows > 0x7fffffffU || width >= 0xffffffffU || k > width || k > k_top_k_most)
    return k_cuda_invalid_value;
  if (rows == 0 || k == 0) return k_cuda_success;
  return MRUN_LAUNCH(softmax_top_k_kernel, dim3(static_cast<unsigned>(rows)), dim3(k_top_k_threads), stream,
                     in, width, static_cast<unsigned>(k), indices, scores);
}

} // namespace mrun::kernels
