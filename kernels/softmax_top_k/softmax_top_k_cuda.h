// softmax_top_k on a GPU.
#pragma once

#include <cstddef>
#include <cstdint>

namespace mrun::kernels {

// As softmax_top_k() (the same bits), but all pointers are device memory; runs on `stream` (a cudaStream_t)
// and returns before it is done. rows < 2^31, width < 2^32 - 1, k <= min(width, 1024); otherwise
// cudaErrorInvalidValue. Returns a cudaError_t of the launch.
int softmax_top_k_cuda(const float* in, std::size_t rows, std::size_t width, std::size_t k,
                       std::int64_t* indices, float* scores, void* stream);

} // namespace mrun::kernels
