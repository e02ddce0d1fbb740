#include <algorithm>
#include <array>
#include <cmath>

#include "kernels/pool_normalize/pool_normalize.h"

namespace mrun::kernels {

void pool_normalize_reference(const PoolArguments& arguments, float epsilon) {
  const auto& [in, mask, batch, tokens, width, out] = arguments;
  for (std::size_t b = 0; b < batch; ++b) {
    float* row = out + b * width;
    float weight_sum = 0;
    for (std::size_t t = 0; t < tokens; ++t)
      weight_sum += mask == nullptr ? 1.0f : mask[b * tokens + t];
    const float divisor = weight_sum > 1e-9f || std::isnan(weight_sum) ? weight_sum : 1e-9f;
    std::array<double, 32> sums{};
    for (std::size_t i = 0; i < width; ++i) {
      float sum = 0;
      for (std::size_t t = 0; t < tokens; ++t)
        sum += in[(b * tokens + t) * width + i] * (mask == nullptr ? 1.0f : mask[b * tokens + t]);
      row[i] = sum / divisor;
      sums[i % 32] += static_cast<double>(row[i]) * static_cast<double>(row[i]);
    }
    for (std::size_t half = 16; half > 0; half /= 2)
      for (std::size_t i = 0; i < half; ++i)
        sums[i] += sums[i + half];
    const float root = static_cast<float>(std::sqrt(sums[0]));
    const float norm = root > epsilon || std::isnan(root) ? root : epsilon;
    for (std::size_t i = 0; i < width; ++i)
      row[i] /= norm;
  }
}

} // namespace mrun::kernels
