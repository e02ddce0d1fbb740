#include <algorithm>

#include <fmt/format.h>

#include "common/limits.h"
#include "kernels/log_mel/log_mel.h"
#include "runtime/steps/sound_value.h"

namespace mrun {
namespace {

class LogMelStep final : public Step {
 public:
  LogMelStep(const StepOptions& options, const kernels::LogMelFormat& format)
      : m_from(options.from),
        m_to(options.to),
        m_format(format),
        m_mel(format) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const SoundRows sound, need_sound(context.values, m_from));
    const auto rate_hz = rate_of(context.values, m_from);
    if (rate_hz && *rate_hz != m_format.sample_rate_hz)
      return fail(
          ErrorCode::prediction_failed,
          fmt::format("the sound has {} Hz, `log_mel` is set to {}", *rate_hz, m_format.sample_rate_hz),
          fmt::format("put `{{step: resample, rate: {}}}` before it", m_format.sample_rate_hz));
    if (sound.samples < m_mel.least_samples())
      return fail(ErrorCode::input_file,
                  fmt::format("the sound is too short: it has {} samples, {} are needed", sound.samples,
                              m_mel.least_samples()));
    const std::size_t frames = m_mel.frames(sound.samples), each = frames * m_format.n_mels;
    MRUN_ASSIGN(Tensor out,
                Tensor::make(DType::f32, sound.shape_with({static_cast<std::int64_t>(m_format.n_mels),
                                                           static_cast<std::int64_t>(frames)})));
    for (std::size_t row = 0; row < sound.rows; ++row)
      m_mel.run(sound.tensor.as<float>().data() + row * sound.samples, sound.samples,
                out.as<float>().data() + row * each);
    put(context, m_to, std::move(out));
    return {};
  }

 private:
  std::string m_from, m_to;
  kernels::LogMelFormat m_format;
  kernels::LogMel m_mel;
};

std::size_t largest_factor(std::size_t number) {
  std::size_t largest = 1;
  for (std::size_t factor = 2; number > 1; ++factor)
    for (; number % factor == 0; number /= factor)
      largest = factor;
  return largest;
}

Result<void> read_sizes(const OptionReader& reader, kernels::LogMelFormat& format) {
  constexpr std::int64_t most_fft = 16'384, most_mels = 1024;
  MRUN_ASSIGN(format.sample_rate_hz,
              reader.integer("sample_rate", 2, static_cast<std::int64_t>(k_max_sound_rate_hz)));
  MRUN_ASSIGN(const std::int64_t n_fft, reader.integer("n_fft", 2, most_fft, 400));
  MRUN_ASSIGN(const std::int64_t win_length, reader.integer("win_length", 1, n_fft, n_fft));
  MRUN_ASSIGN(const std::int64_t hop_length,
              reader.integer("hop_length", 1, most_fft, std::max<std::int64_t>(1, win_length / 2)));
  MRUN_ASSIGN(const std::int64_t n_mels, reader.integer("n_mels", 1, most_mels, 128));
  format.n_fft = static_cast<std::size_t>(n_fft);
  format.win_length = static_cast<std::size_t>(win_length);
  format.hop_length = static_cast<std::size_t>(hop_length);
  format.n_mels = static_cast<std::size_t>(n_mels);
  if (const std::size_t factor = largest_factor(format.n_fft); factor > kernels::k_largest_fft_factor)
    return reader.error(
        fmt::format("option `n_fft` is {} with the prime factor {}, {} is the largest allowed", n_fft, factor,
                    kernels::k_largest_fft_factor));
  const double half = static_cast<double>(format.sample_rate_hz) / 2;
  MRUN_ASSIGN(format.f_min_hz, reader.number("f_min", 0, half, 0.0));
  MRUN_ASSIGN(format.f_max_hz,
              reader.number("f_max", 0, half, static_cast<double>(format.sample_rate_hz / 2)));
  if (format.f_min_hz >= format.f_max_hz)
    return reader.error(
        fmt::format("`f_min` is {}, it must be below `f_max`, {}", format.f_min_hz, format.f_max_hz));
  return {};
}

Result<void> read_kinds(const OptionReader& reader, kernels::LogMelFormat& format) {
  MRUN_ASSIGN(const std::int64_t power, reader.integer("power", 1, 2, 2));
  format.power = static_cast<int>(power);
  MRUN_ASSIGN(const std::size_t norm, reader.choice("norm", {"none", "slaney"}, "none"));
  format.slaney_norm = norm == 1;
  MRUN_ASSIGN(const std::size_t scale, reader.choice("mel_scale", {"htk", "slaney"}, "htk"));
  format.scale = static_cast<kernels::MelScale>(scale);
  MRUN_ASSIGN(format.center, reader.boolean("center", true));
  MRUN_ASSIGN(const std::size_t log, reader.choice("log", {"none", "ln", "log10", "db"}, "ln"));
  format.log = static_cast<kernels::MelLog>(log);
  const bool has_offset = format.log == kernels::MelLog::ln || format.log == kernels::MelLog::log10;
  if (reader.has("offset") && !has_offset) return reader.error("`offset` is for `log: ln` and `log: log10`");
  if (reader.has("top_db") && format.log != kernels::MelLog::db)
    return reader.error("`top_db` is for `log: db`");
  MRUN_ASSIGN(format.offset, reader.number("offset", 1e-30, 1, 1e-6));
  MRUN_ASSIGN(format.top_db, reader.number("top_db", 0, 1000, -1.0));
  return {};
}

} // namespace

Result<std::unique_ptr<Step>> make_step_log_mel(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_log_mel(const StepOptions& options, StepFiles&) {
  const OptionReader reader("log_mel", options,
                            {"sample_rate", "n_fft", "win_length", "hop_length", "f_min", "f_max", "n_mels",
                             "power", "norm", "mel_scale", "center", "log", "offset", "top_db"});
  MRUN_TRY(reader.check_names());
  kernels::LogMelFormat format;
  MRUN_TRY(read_sizes(reader, format));
  MRUN_TRY(read_kinds(reader, format));
  return std::make_unique<LogMelStep>(options, format);
}

} // namespace mrun
