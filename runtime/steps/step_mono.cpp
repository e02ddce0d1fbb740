#include "runtime/steps/sound_value.h"

namespace mrun {
namespace {

// The mean of the channels, as torch's mean over the first axis.
class Mono final : public Step {
 public:
  explicit Mono(const StepOptions& options) : m_from(options.from), m_to(options.to) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const SoundRows sound, need_sound(context.values, m_from));
    MRUN_ASSIGN(Tensor out, Tensor::make(DType::f32, {static_cast<std::int64_t>(sound.samples)}));
    const std::span<const float> from = sound.tensor.as<float>();
    const std::span<float> to = out.as<float>();
    for (std::size_t row = 0; row < sound.rows; ++row)
      for (std::size_t i = 0; i < sound.samples; ++i)
        to[i] += from[row * sound.samples + i];
    for (float& sample : to)
      sample /= static_cast<float>(sound.rows);
    if (const auto rate_hz = rate_of(context.values, m_from)) put_rate(context, m_to, *rate_hz);
    put(context, m_to, std::move(out));
    return {};
  }

 private:
  std::string m_from, m_to;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_mono(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_mono(const StepOptions& options, StepFiles&) {
  MRUN_TRY(OptionReader("mono", options, {}).check_names());
  return std::make_unique<Mono>(options);
}

} // namespace mrun
