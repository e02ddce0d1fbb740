// Band-limited resampling of sound: torchaudio.functional.resample with its defaults (sinc_interp_hann,
// lowpass_filter_width 6, rolloff 0.99; torchaudio/functional/functional.py, after J. O. Smith's
// "Digital Audio Resampling").
//
// With both rates divided by their greatest common divisor to `from` and `to`, and base = min(from, to) *
// 0.99, output sample j * to + p is the sum over i of in[j * from + i] * kernel_p(i), where t = (i / from - p
// / to) * base and kernel_p(i) = base / from * sin(pi t) / (pi t) * cos(pi t / 12)^2 for |t| < 6, else 0;
// samples outside of the sound are 0. Kernels are computed in double and rounded to f32; sums are taken in
// f32 as 16 partial sums (tap i belongs to sum i mod 16), added in halves, so every instruction set gives the
// same bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/cpu_dispatch.h"

namespace mrun::kernels {

class Resampler {
 public:
  // Rates >= 1. Its kernels are at most 32 numbers for each hertz of the higher rate.
  Resampler(std::int64_t from_hz, std::int64_t to_hz);

  // ceil(count * to / from).
  std::size_t out_count(std::size_t count) const;
  // in: f32 [count]; out: f32 [out_count(count)], not overlapping. Takes scratch memory of the input's size.
  // Any thread.
  void run(const float* in, std::size_t count, float* out, CpuIsa isa = best_cpu_isa()) const;

 private:
  std::size_t m_from, m_to;          // divided by their greatest common divisor
  std::size_t m_width;               // how far kernels reach to the left, at most
  std::size_t m_taps;                // of each kernel
  std::vector<std::int64_t> m_first; // of each kernel's taps, from the block's first sample on
  std::vector<float> m_kernels;      // [to, taps]
};

} // namespace mrun::kernels
