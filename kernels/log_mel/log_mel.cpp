#include "kernels/log_mel/log_mel.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace mrun::kernels {
namespace {

// Slaney's scale is straight below 1000 Hz (200/3 Hz a mel) and logarithmic above.
constexpr double k_slaney_step = 200.0 / 3, k_slaney_knee_hz = 1000;
const double k_slaney_log_step = std::log(6.4) / 27;

double mel_of(double hz, MelScale scale) {
  if (scale == MelScale::htk) return 2595 * std::log10(1 + hz / 700);
  if (hz < k_slaney_knee_hz) return hz / k_slaney_step;
  return k_slaney_knee_hz / k_slaney_step + std::log(hz / k_slaney_knee_hz) / k_slaney_log_step;
}

double hz_of(double mel, MelScale scale) {
  if (scale == MelScale::htk) return 700 * (std::pow(10, mel / 2595) - 1);
  const double knee = k_slaney_knee_hz / k_slaney_step;
  if (mel < knee) return mel * k_slaney_step;
  return k_slaney_knee_hz * std::exp(k_slaney_log_step * (mel - knee));
}

std::vector<double> padded_window(const LogMelFormat& format) {
  std::vector<double> window(format.n_fft);
  const std::size_t left = (format.n_fft - format.win_length) / 2;
  for (std::size_t i = 0; i < format.win_length; ++i)
    window[left + i] = 0.5 - 0.5 * std::cos(2 * std::numbers::pi * static_cast<double>(i) /
                                            static_cast<double>(format.win_length));
  return window;
}

} // namespace

LogMel::LogMel(const LogMelFormat& format)
    : m_format(format),
      m_fft(format.n_fft),
      m_window(padded_window(format)) {
  const std::size_t bins = format.n_fft / 2 + 1;
  const double low = mel_of(format.f_min_hz, format.scale), high = mel_of(format.f_max_hz, format.scale);
  const auto corner = [&](std::size_t i) {
    return hz_of(low + (high - low) * static_cast<double>(i) / static_cast<double>(format.n_mels + 1),
                 format.scale);
  };
  const double top = static_cast<double>(format.sample_rate_hz / 2); // as torchaudio: whole hertz
  for (std::size_t m = 0; m < format.n_mels; ++m) {
    const double left = corner(m), middle = corner(m + 1), right = corner(m + 2);
    const double height = format.slaney_norm ? 2 / (right - left) : 1;
    Triangle triangle{bins, {}};
    for (std::size_t bin = 0; bin < bins; ++bin) {
      const double hz = top * static_cast<double>(bin) / static_cast<double>(bins - 1);
      const double weight = std::min((hz - left) / (middle - left), (right - hz) / (right - middle)) * height;
      if (!(weight > 0)) continue;
      triangle.begin = std::min(triangle.begin, bin);
      triangle.weights.push_back(weight); // those above 0 are neighbours
    }
    m_triangles.push_back(std::move(triangle));
  }
}

std::size_t LogMel::least_samples() const {
  return m_format.center ? m_format.n_fft / 2 + 1 : m_format.n_fft;
}

std::size_t LogMel::frames(std::size_t samples) const {
  const std::size_t padded = samples + (m_format.center ? m_format.n_fft / 2 * 2 : 0);
  return 1 + (padded - m_format.n_fft) / m_format.hop_length;
}

void LogMel::take_frame(const float* in, std::size_t samples, std::size_t frame, double* windowed) const {
  const auto count = static_cast<std::int64_t>(samples);
  const std::int64_t begin = static_cast<std::int64_t>(frame * m_format.hop_length) -
                             static_cast<std::int64_t>(m_format.center ? m_format.n_fft / 2 : 0);
  for (std::size_t i = 0; i < m_format.n_fft; ++i) {
    std::int64_t at = begin + static_cast<std::int64_t>(i);
    if (at < 0) at = -at; // mirrored without repeating the edge
    if (at >= count) at = 2 * (count - 1) - at;
    windowed[i] = static_cast<double>(in[at]) * m_window[i];
  }
}

void LogMel::write_column(const std::complex<double>* spectrum, float* out, std::size_t stride) const {
  for (const Triangle& triangle : m_triangles) {
    double sum = 0;
    for (std::size_t i = 0; i < triangle.weights.size(); ++i) {
      const double energy = std::norm(spectrum[triangle.begin + i]);
      sum += triangle.weights[i] * (m_format.power == 2 ? energy : std::sqrt(energy));
    }
    if (m_format.log == MelLog::ln) sum = std::log(sum + m_format.offset);
    if (m_format.log == MelLog::log10) sum = std::log10(sum + m_format.offset);
    if (m_format.log == MelLog::db) sum = (m_format.power == 2 ? 10 : 20) * std::log10(std::max(sum, 1e-10));
    *out = static_cast<float>(sum);
    out += stride;
  }
}

void LogMel::limit_db(float* out, std::size_t count) const {
  if (m_format.log != MelLog::db || m_format.top_db < 0 || count == 0) return;
  const float least = *std::max_element(out, out + count) - static_cast<float>(m_format.top_db);
  for (std::size_t i = 0; i < count; ++i)
    out[i] = std::max(out[i], least);
}

// Two frames are one complex transform: the spectra of its real and its imaginary part come apart by
// symmetry.
void LogMel::run(const float* in, std::size_t samples, float* out) const {
  const std::size_t size = m_format.n_fft, bins = size / 2 + 1, count = frames(samples);
  std::vector<double> first(size), second(size);
  std::vector<std::complex<double>> both(size), transformed(size), left(bins), right(bins);
  for (std::size_t frame = 0; frame < count; frame += 2) {
    take_frame(in, samples, frame, first.data());
    if (frame + 1 < count)
      take_frame(in, samples, frame + 1, second.data());
    else
      std::fill(second.begin(), second.end(), 0.0);
    for (std::size_t i = 0; i < size; ++i)
      both[i] = {first[i], second[i]};
    m_fft.run(both.data(), transformed.data());
    for (std::size_t k = 0; k < bins; ++k) {
      const std::complex<double> z = transformed[k], mirrored = std::conj(transformed[(size - k) % size]);
      left[k] = 0.5 * (z + mirrored);
      right[k] = 0.5 * (z - mirrored); // times -i, which changes no magnitude
    }
    write_column(left.data(), out + frame, count);
    if (frame + 1 < count) write_column(right.data(), out + frame + 1, count);
  }
  limit_db(out, m_format.n_mels * count);
}

} // namespace mrun::kernels
