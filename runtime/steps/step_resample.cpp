#include <fmt/format.h>

#include "common/limits.h"
#include "kernels/resample/resample.h"
#include "runtime/steps/sound_value.h"

namespace mrun {
namespace {

class Resample final : public Step {
 public:
  Resample(const StepOptions& options, std::int64_t rate_hz, std::int64_t from_hz)
      : m_from(options.from),
        m_to(options.to),
        m_rate_hz(rate_hz),
        m_from_hz(from_hz) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const SoundRows sound, need_sound(context.values, m_from));
    MRUN_ASSIGN(const std::int64_t from_hz, given_rate(context.values));
    const kernels::Resampler resampler(from_hz, m_rate_hz);
    const std::size_t count = resampler.out_count(sound.samples);
    if (count > k_max_sound_samples / sound.rows)
      return fail(
          ErrorCode::input_file,
          fmt::format(
              "the sound would have {} samples of {} channels at {} Hz, at most {} million are allowed",
              count, sound.rows, m_rate_hz, k_max_sound_samples / 1'000'000));
    MRUN_ASSIGN(Tensor out, Tensor::make(DType::f32, sound.shape_with({static_cast<std::int64_t>(count)})));
    for (std::size_t row = 0; row < sound.rows; ++row)
      resampler.run(sound.tensor.as<float>().data() + row * sound.samples, sound.samples,
                    out.as<float>().data() + row * count);
    put_rate(context, m_to, m_rate_hz);
    put(context, m_to, std::move(out));
    return {};
  }

 private:
  Result<std::int64_t> given_rate(const Namespace& values) const {
    if (m_from_hz != 0) return m_from_hz;
    if (const auto rate_hz = rate_of(values, m_from)) return *rate_hz;
    return fail(ErrorCode::prediction_failed,
                fmt::format("the rate of `{}` is not known: `decode_audio` did not make it", m_from),
                "name it: `from_rate: 44100`");
  }

  std::string m_from, m_to;
  std::int64_t m_rate_hz;
  std::int64_t m_from_hz; // 0: the sound's own
};

} // namespace

Result<std::unique_ptr<Step>> make_step_resample(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_resample(const StepOptions& options, StepFiles&) {
  const OptionReader reader("resample", options, {"rate", "from_rate"});
  MRUN_TRY(reader.check_names());
  constexpr auto most = static_cast<std::int64_t>(k_max_sound_rate_hz);
  MRUN_ASSIGN(const std::int64_t rate_hz, reader.integer("rate", 1, most));
  std::int64_t from_hz = 0;
  if (reader.has("from_rate")) {
    MRUN_ASSIGN(from_hz, reader.integer("from_rate", 1, most));
  }
  return std::make_unique<Resample>(options, rate_hz, from_hz);
}

} // namespace mrun
