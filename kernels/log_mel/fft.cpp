#include <array>
#include <numbers>

#include "kernels/log_mel/log_mel.h"

namespace mrun::kernels {

Fft::Fft(std::size_t size) {
  for (std::size_t i = 0; i < size; ++i)
    m_roots.push_back(
        std::polar(1.0, -2 * std::numbers::pi * static_cast<double>(i) / static_cast<double>(size)));
  for (std::size_t factor = 4; factor >= 2; --factor) // 4 first: fewer passes
    if (factor != 3)
      for (; size % factor == 0; size /= factor)
        m_factors.push_back(factor);
  for (std::size_t factor = 3; size > 1; factor += 2)
    for (; size % factor == 0; size /= factor)
      m_factors.push_back(factor);
}

void Fft::run(const std::complex<double>* in, std::complex<double>* out) const {
  part(in, 1, out, size(), m_factors.data());
}

// Decimation in time: `factor` transforms of every factor-th number, then combined.
void Fft::part(const std::complex<double>* in, std::size_t stride, std::complex<double>* out,
               std::size_t size, const std::size_t* factor) const {
  if (size == 1) {
    *out = *in;
    return;
  }
  const std::size_t parts = *factor, each = size / parts;
  for (std::size_t p = 0; p < parts; ++p)
    part(in + p * stride, stride * parts, out + p * each, each, factor + 1);
  std::array<std::complex<double>, k_largest_fft_factor> terms;
  for (std::size_t j = 0; j < each; ++j) {
    for (std::size_t p = 0; p < parts; ++p)
      terms[p] = out[p * each + j] * m_roots[p * j * stride];
    for (std::size_t q = 0; q < parts; ++q) {
      std::complex<double> sum = terms[0];
      for (std::size_t p = 1; p < parts; ++p)
        sum += terms[p] * m_roots[p * q % parts * each * stride];
      out[q * each + j] = sum;
    }
  }
}

} // namespace mrun::kernels
