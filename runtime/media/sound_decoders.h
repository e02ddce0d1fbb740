// The decoders behind decode_sound, one file each, and what they collect samples in.
#pragma once

#include <string_view>
#include <vector>

#include "runtime/media/sound.h"

namespace mrun {

Result<DecodedSound> decode_wav(std::string_view bytes);
Result<DecodedSound> decode_flac(std::string_view bytes, bool in_ogg);
Result<DecodedSound> decode_vorbis(std::string_view bytes);

// Grows as samples come, so that a claimed length costs nothing.
class SoundBuilder {
 public:
  // Once, before samples. Error input_file.
  Result<void> begin(std::uint64_t channels, std::uint64_t rate_hz);
  bool begun() const { return !m_channels.empty(); }
  std::size_t channels() const { return m_channels.size(); }
  // Error input_file at k_max_sound_samples.
  Result<void> need_room(std::size_t frames) const;
  void append(std::size_t channel, float sample) { m_channels[channel].push_back(sample); }
  // Error input_file when there are no samples.
  Result<DecodedSound> finish();

 private:
  std::vector<std::vector<float>> m_channels;
  std::int64_t m_rate_hz = 0;
};

} // namespace mrun
