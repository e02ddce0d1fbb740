#include "kernels/softmax/softmax.h"

#include <cmath>
#include <limits>

namespace mrun::kernels {

void softmax(const float* in, std::size_t outer, std::size_t size, std::size_t inner, float* out) {
  for (std::size_t o = 0; o < outer; ++o)
    for (std::size_t n = 0; n < inner; ++n) {
      const float* from = in + o * size * inner + n;
      float* to = out + o * size * inner + n;
      float largest = -std::numeric_limits<float>::infinity();
      for (std::size_t i = 0; i < size; ++i)
        if (from[i * inner] > largest || std::isnan(from[i * inner])) largest = from[i * inner];
      double sum = 0;
      for (std::size_t i = 0; i < size; ++i) {
        to[i * inner] = std::exp(from[i * inner] - largest);
        sum += static_cast<double>(to[i * inner]);
      }
      for (std::size_t i = 0; i < size; ++i)
        to[i * inner] = static_cast<float>(static_cast<double>(to[i * inner]) / sum);
    }
}

} // namespace mrun::kernels
