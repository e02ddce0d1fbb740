#include "kernels/resample/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <numeric>

namespace mrun::kernels {
namespace {

constexpr double k_zero_crossings = 6; // lowpass_filter_width
constexpr double k_rolloff = 0.99;
constexpr std::size_t k_lanes = 16;

struct Rates {
  std::int64_t from, to;
  double base;
  std::size_t width; // of half a kernel, in input samples
  std::size_t taps;

  Rates(std::int64_t from_hz, std::int64_t to_hz)
      : from(from_hz / std::gcd(from_hz, to_hz)),
        to(to_hz / std::gcd(from_hz, to_hz)),
        base(static_cast<double>(std::min(from, to)) * k_rolloff),
        width(static_cast<std::size_t>(std::ceil(k_zero_crossings * static_cast<double>(from) / base))),
        taps((2 * width + 1 + k_lanes - 1) / k_lanes * k_lanes) {}
};

struct Convolution {
  const float* in; // at the sample that tap 0 of kernel 0 of block 0 would have, were it at 0
  const std::int64_t* first;
  const float* kernels;
  std::size_t from, to, taps, count;
  float* out;
};

MRUN_INLINE void convolution_body(const Convolution& a) {
  for (std::size_t block = 0; block * a.to < a.count; ++block) {
    const std::size_t live = a.count - block * a.to < a.to ? a.count - block * a.to : a.to;
    for (std::size_t phase = 0; phase < live; ++phase) {
      const float* in = a.in + static_cast<std::ptrdiff_t>(block * a.from) + a.first[phase];
      const float* kernel = a.kernels + phase * a.taps;
      float sums[k_lanes] = {};
      for (std::size_t tap = 0; tap < a.taps; tap += k_lanes)
        for (std::size_t lane = 0; lane < k_lanes; ++lane)
          sums[lane] += in[tap + lane] * kernel[tap + lane];
      for (std::size_t half = k_lanes / 2; half > 0; half /= 2)
        for (std::size_t lane = 0; lane < half; ++lane)
          sums[lane] += sums[lane + half];
      a.out[block * a.to + phase] = sums[0];
    }
  }
}
MRUN_CPU_DISPATCH(convolution, convolution_body, Convolution)

} // namespace

Resampler::Resampler(std::int64_t from_hz, std::int64_t to_hz) {
  const Rates rates(from_hz, to_hz);
  m_from = static_cast<std::size_t>(rates.from);
  m_to = static_cast<std::size_t>(rates.to);
  m_width = rates.width;
  m_taps = rates.taps;
  m_kernels.resize(m_to * m_taps);
  for (std::size_t phase = 0; phase < m_to; ++phase) {
    const double at = static_cast<double>(phase) / static_cast<double>(m_to); // of a block
    const auto center = static_cast<std::int64_t>(std::floor(at * static_cast<double>(m_from)));
    m_first.push_back(center - static_cast<std::int64_t>(m_width));
    for (std::size_t tap = 0; tap < m_taps; ++tap) {
      const auto i = static_cast<double>(m_first.back() + static_cast<std::int64_t>(tap));
      const double t = (i / static_cast<double>(m_from) - at) * rates.base;
      if (std::abs(t) >= k_zero_crossings) continue;
      const double window = std::cos(std::numbers::pi * t / k_zero_crossings / 2);
      const double sinc = t == 0 ? 1.0 : std::sin(std::numbers::pi * t) / (std::numbers::pi * t);
      m_kernels[phase * m_taps + tap] =
          static_cast<float>(sinc * window * window * rates.base / static_cast<double>(m_from));
    }
  }
}

std::size_t Resampler::out_count(std::size_t count) const {
  return (count * m_to + m_from - 1) / m_from;
}

void Resampler::run(const float* in, std::size_t count, float* out, CpuIsa isa) const {
  if (m_from == m_to) {
    std::copy_n(in, count, out);
    return;
  }
  std::vector<float> padded(m_width + count + m_from + m_taps); // zeros before and behind
  std::copy_n(in, count, padded.begin() + static_cast<std::ptrdiff_t>(m_width));
  convolution(isa, {padded.data() + m_width, m_first.data(), m_kernels.data(), m_from, m_to, m_taps,
                    out_count(count), out});
}

} // namespace mrun::kernels
