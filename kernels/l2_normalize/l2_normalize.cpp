#include "kernels/l2_normalize/l2_normalize.h"

#include <algorithm>
#include <cmath>

namespace mrun::kernels {

void l2_normalize(const float* in, std::size_t rows, std::size_t width, float epsilon, float* out) {
  for (std::size_t r = 0; r < rows; ++r) {
    const float* from = in + r * width;
    double sum = 0;
    for (std::size_t i = 0; i < width; ++i)
      sum += static_cast<double>(from[i]) * static_cast<double>(from[i]);
    const float norm = std::max(static_cast<float>(std::sqrt(sum)), epsilon);
    for (std::size_t i = 0; i < width; ++i)
      out[r * width + i] = from[i] / norm;
  }
}

} // namespace mrun::kernels
