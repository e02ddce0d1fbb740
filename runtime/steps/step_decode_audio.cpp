#include <fmt/format.h>

#include "runtime/media/sound.h"
#include "runtime/steps/sound_value.h"

namespace mrun {
namespace {

class DecodeAudio final : public Step {
 public:
  explicit DecodeAudio(const StepOptions& options) : m_from(options.from), m_to(options.to) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const std::string_view bytes, need_bytes(context.values, m_from));
    Result<DecodedSound> decoded = decode_sound(bytes);
    if (!decoded) {
      Error error = std::move(decoded).error();
      error.message = fmt::format("`{}`: {}", m_from, error.message);
      return tl::unexpected<Error>(std::move(error));
    }
    put_rate(context, m_to, decoded->rate_hz);
    put(context, m_to, std::move(decoded->samples));
    return {};
  }

 private:
  std::string m_from, m_to;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_decode_audio(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_decode_audio(const StepOptions& options, StepFiles&) {
  MRUN_TRY(OptionReader("decode_audio", options, {}).check_names());
  return std::make_unique<DecodeAudio>(options);
}

} // namespace mrun
