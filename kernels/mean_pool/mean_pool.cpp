#include "kernels/mean_pool/mean_pool.h"

#include <algorithm>

namespace mrun::kernels {

void mean_pool(const float* in, const float* mask, std::size_t batch, std::size_t tokens, std::size_t width,
               float* out) {
  for (std::size_t b = 0; b < batch; ++b) {
    float* row = out + b * width;
    std::fill_n(row, width, 0.0f);
    float weight_sum = 0;
    for (std::size_t t = 0; t < tokens; ++t) {
      const float weight = mask == nullptr ? 1.0f : mask[b * tokens + t];
      weight_sum += weight;
      const float* vector = in + (b * tokens + t) * width;
      for (std::size_t i = 0; i < width; ++i)
        row[i] += vector[i] * weight;
    }
    const float divisor = std::max(weight_sum, 1e-9f);
    for (std::size_t i = 0; i < width; ++i)
      row[i] /= divisor;
  }
}

} // namespace mrun::kernels
