// Sounds as inputs of a step: samples under the limits, or an error that can be shown.
#include "common/limits.h"
#include "runtime/media/sound.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const Result<DecodedSound> sound = decode_sound(bytes);
  if (!sound) {
    fuzz::check_error(sound.error());
    return 0;
  }
  MRUN_CHECK(sniff_sound(bytes) != SoundFormat::unknown);
  const std::vector<std::int64_t>& shape = sound->samples.shape();
  MRUN_CHECK(shape.size() == 2 && shape[0] > 0 && shape[1] > 0);
  MRUN_CHECK(shape[0] <= static_cast<std::int64_t>(k_max_sound_channels));
  MRUN_CHECK(sound->samples.element_count() <= k_max_sound_samples);
  MRUN_CHECK(sound->rate_hz > 0 && sound->rate_hz <= static_cast<std::int64_t>(k_max_sound_rate_hz));
  return 0;
}
