// pool_normalize on a GPU.
#pragma once

#include <cstddef>

namespace mrun::kernels {

// As pool_normalize() (the same bits), but all pointers are device memory; runs on `stream` (a cudaStream_t)
// and returns before it is done. batch < 2^31. Returns a cudaError_t of the launch.
int pool_normalize_cuda(const float* in, const float* mask, std::size_t batch, std::size_t tokens,
                        std::size_t width, float epsilon, float* out, void* stream);

} // namespace mrun::kernels
