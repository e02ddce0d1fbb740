// Log-mel spectrograms: torchaudio.transforms.MelSpectrogram and its logarithm
// (torchaudio/functional/functional.py: spectrogram, melscale_fbanks, amplitude_to_DB).
//
// Frames of n_fft samples every hop samples, times a periodic Hann window of win_length in the middle;
// `center` puts the first frame's middle on the first sample and mirrors the sound at both ends. Magnitudes
// to the power of `power`, weighted by triangles that are equally wide on the mel scale. Computed in double,
// written as f32.
#pragma once

#include <complex>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace mrun::kernels {

enum class MelScale : std::uint8_t { htk, slaney };
enum class MelLog : std::uint8_t {
  none,
  ln,    // log(x + offset)
  log10, // log10(x + offset)
  db     // AmplitudeToDB: 10 log10(max(x, 1e-10)), or 20 for power 1; at least the largest minus top_db
};

struct LogMelFormat {
  std::int64_t sample_rate_hz = 16'000;
  std::size_t n_fft = 400;      // >= 2, no prime factor above k_largest_fft_factor
  std::size_t win_length = 400; // 1 to n_fft
  std::size_t hop_length = 200; // >= 1
  double f_min_hz = 0;
  double f_max_hz = 8000;   // above f_min_hz
  std::size_t n_mels = 128; // >= 1
  int power = 2;            // 1 or 2
  bool slaney_norm = false; // triangles of area 1 instead of height 1
  MelScale scale = MelScale::htk;
  bool center = true;
  MelLog log = MelLog::ln;
  double offset = 1e-6;
  double top_db = -1; // negative: no limit
};

inline constexpr std::size_t k_largest_fft_factor = 31;

// A discrete Fourier transform of any size without large prime factors.
class Fft {
 public:
  explicit Fft(std::size_t size);
  std::size_t size() const { return m_roots.size(); }
  // out[k] = sum of in[j] exp(-2 pi i j k / size); both of `size` numbers, not overlapping.
  void run(const std::complex<double>* in, std::complex<double>* out) const;

 private:
  void part(const std::complex<double>* in, std::size_t stride, std::complex<double>* out, std::size_t size,
            const std::size_t* factor) const;

  std::vector<std::size_t> m_factors;
  std::vector<std::complex<double>> m_roots;
};

class LogMel {
 public:
  explicit LogMel(const LogMelFormat& format);

  // Samples that a sound needs, at least: with `center`, more than the mirror takes.
  std::size_t least_samples() const;
  // Frames of a sound that has them.
  std::size_t frames(std::size_t samples) const;
  // in: f32 [samples]; out: f32 [n_mels, frames(samples)]. With `db`, the largest is that of this call. Any
  // thread.
  void run(const float* in, std::size_t samples, float* out) const;

 private:
  struct Triangle {
    std::size_t begin;
    std::vector<double> weights;
  };
  void take_frame(const float* in, std::size_t samples, std::size_t frame, double* windowed) const;
  void write_column(const std::complex<double>* spectrum, float* out, std::size_t stride) const;
  void limit_db(float* out, std::size_t count) const;

  LogMelFormat m_format;
  Fft m_fft;
  std::vector<double> m_window; // n_fft numbers
  std::vector<Triangle> m_triangles;
};

} // namespace mrun::kernels
