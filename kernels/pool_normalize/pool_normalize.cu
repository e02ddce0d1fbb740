#include "kernels/pool_normalize/pool_normalize_cuda.h"

#include "kernels/pool_normalize/pool_normalize.cuh"

namespace mrun::kernels {

int pool_normalize_cuda(const float* in, const float* mask, std::size_t batch, std::size_t tokens,
                        std::size_t width, float epsilon, float* out, void* stream) {
  return launch_pool_normalize(in, mask, batch, tokens, width, epsilon, out, stream);
}

} // namespace mrun::kernels
