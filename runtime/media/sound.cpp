#include "runtime/media/sound.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "runtime/media/sound_decoders.h"

namespace mrun {
namespace {

// The first packet of an Ogg stream says what is inside.
Result<DecodedSound> decode_ogg(std::string_view bytes) {
  constexpr std::size_t head_bytes = 27; // of a page, before its segment table
  const std::size_t segments =
      bytes.size() > head_bytes ? static_cast<unsigned char>(bytes[head_bytes - 1]) : 0;
  const std::string_view packet =
      bytes.size() > head_bytes + segments ? bytes.substr(head_bytes + segments) : std::string_view();
  if (packet.starts_with("\x01vorbis")) return decode_vorbis(bytes);
  if (packet.starts_with("\x7f"
                         "FLAC"))
    return decode_flac(bytes, true);
  const std::string inside =
      packet.starts_with("OpusHead") ? "Opus" : fmt::format("`{}`", printable(packet.substr(0, 8)));
  return fail(ErrorCode::input_file,
              fmt::format("the Ogg file has {} inside, Vorbis or FLAC is needed", inside),
              "convert it, e.g. `ffmpeg -i FILE sound.flac`");
}

} // namespace

SoundFormat sniff_sound(std::string_view bytes) {
  if (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WAVE")
    return SoundFormat::wav;
  if (bytes.starts_with("fLaC")) return SoundFormat::flac;
  if (bytes.starts_with("OggS")) return SoundFormat::ogg;
  return SoundFormat::unknown;
}

Result<DecodedSound> decode_sound(std::string_view bytes) {
  switch (sniff_sound(bytes)) {
  case SoundFormat::wav:
    return decode_wav(bytes);
  case SoundFormat::flac:
    return decode_flac(bytes, false);
  case SoundFormat::ogg:
    return decode_ogg(bytes);
  case SoundFormat::unknown:
    break;
  }
  if (bytes.empty()) return fail(ErrorCode::input_file, "the sound is empty");
  return fail(ErrorCode::input_file,
              fmt::format("the file is no WAV, FLAC or Ogg sound: it begins with `{}`",
                          printable(bytes.substr(0, 8))),
              "convert it, e.g. `ffmpeg -i FILE sound.flac`");
}

Result<void> SoundBuilder::begin(std::uint64_t channels, std::uint64_t rate_hz) {
  if (channels == 0 || channels > k_max_sound_channels)
    return fail(ErrorCode::input_file, fmt::format("the sound has {} channels, 1 to {} are allowed", channels,
                                                   k_max_sound_channels));
  if (rate_hz == 0 || rate_hz > k_max_sound_rate_hz)
    return fail(ErrorCode::input_file, fmt::format("the sound has {} samples a second, 1 to {} are allowed",
                                                   rate_hz, k_max_sound_rate_hz));
  m_channels.resize(channels);
  m_rate_hz = static_cast<std::int64_t>(rate_hz);
  return {};
}

Result<void> SoundBuilder::need_room(std::size_t frames) const {
  const std::size_t most = k_max_sound_samples / m_channels.size();
  if (frames <= most && m_channels.front().size() <= most - frames) return {};
  return fail(
      ErrorCode::input_file,
      fmt::format(
          "the sound is too long: over {} s of {} Hz and {} channels are more than {} million samples",
          most / static_cast<std::size_t>(m_rate_hz), m_rate_hz, m_channels.size(),
          k_max_sound_samples / 1'000'000));
}

Result<DecodedSound> SoundBuilder::finish() {
  if (m_channels.empty() || m_channels.front().empty())
    return fail(ErrorCode::input_file, "the sound has no samples");
  const std::size_t frames = m_channels.front().size();
  DecodedSound sound;
  sound.rate_hz = m_rate_hz;
  MRUN_ASSIGN(sound.samples, Tensor::make(DType::f32, {static_cast<std::int64_t>(m_channels.size()),
                                                       static_cast<std::int64_t>(frames)}));
  float* to = sound.samples.as<float>().data();
  for (std::vector<float>& channel : m_channels) {
    MRUN_CHECK(channel.size() == frames);
    to = std::copy(channel.begin(), channel.end(), to);
    channel = {}; // its memory is free before the next is copied
  }
  return sound;
}

} // namespace mrun
