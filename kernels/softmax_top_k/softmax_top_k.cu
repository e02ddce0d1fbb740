#include "kernels/softmax_top_k/softmax_top_k_cuda.h"

#include "kernels/softmax_top_k/softmax_top_k.cuh"

namespace mrun::kernels {

int softmax_top_k_cuda(const float* in, std::size_t rows, std::size_t width, std::size_t k,
                       std::int64_t* indices, float* scores, void* stream) {
  return launch_softmax_top_k(in, rows, width, k, indices, scores, stream);
}

} // namespace mrun::kernels
