// WAV (RIFF WAVE): PCM of 8, 16, 24 and 32 bits, float of 32 and 64, plain or WAVE_FORMAT_EXTENSIBLE.
// Everything else is refused by its number (Microsoft's mmreg.h).
#include <bit>
#include <cstring>

#include <fmt/format.h>

#include "runtime/media/sound_decoders.h"

namespace mrun {
namespace {

constexpr std::size_t k_riff_head_bytes = 12, k_chunk_head_bytes = 8;
constexpr std::size_t k_format_bytes = 16, k_extensible_bytes = 40;
constexpr std::uint16_t k_pcm = 1, k_float = 3, k_extensible = 0xfffe;

std::uint64_t little_endian(std::string_view bytes, std::size_t at, std::size_t count) {
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < count; ++i)
    value |= std::uint64_t{static_cast<unsigned char>(bytes[at + i])} << 8 * i;
  return value;
}

struct WavFormat {
  std::uint64_t kind = 0, channels = 0, rate_hz = 0, sample_bytes = 0;
};

Result<WavFormat> read_format(std::string_view chunk) {
  if (chunk.size() < k_format_bytes) return fail(ErrorCode::input_file, "the WAV file's format chunk is cut");
  WavFormat format{little_endian(chunk, 0, 2), little_endian(chunk, 2, 2), little_endian(chunk, 4, 4), 0};
  const std::uint64_t frame_bytes = little_endian(chunk, 12, 2), bits = little_endian(chunk, 14, 2);
  if (format.kind == k_extensible && chunk.size() >= k_extensible_bytes)
    format.kind = little_endian(chunk, 24, 2); // the first two bytes of the subformat's GUID
  format.sample_bytes = bits / 8;
  const bool pcm = format.kind == k_pcm && (bits == 8 || bits == 16 || bits == 24 || bits == 32);
  const bool floating = format.kind == k_float && (bits == 32 || bits == 64);
  if (!pcm && !floating)
    return fail(
        ErrorCode::input_file,
        fmt::format("the WAV file's samples are of kind {} and {} bits: PCM (1) of 8, 16, 24 or 32 bits, or "
                    "float (3) of 32 or 64 is needed",
                    format.kind, bits),
        "convert it, e.g. `ffmpeg -i FILE sound.flac`");
  if (frame_bytes != format.channels * format.sample_bytes)
    return fail(ErrorCode::input_file,
                fmt::format("the WAV file has {} channels of {} bytes, but frames of {} bytes",
                            format.channels, format.sample_bytes, frame_bytes));
  return format;
}

float sample_of(const WavFormat& format, std::string_view bytes, std::size_t at) {
  const std::uint64_t bits = little_endian(bytes, at, format.sample_bytes);
  if (format.kind == k_float && format.sample_bytes == 4)
    return std::bit_cast<float>(static_cast<std::uint32_t>(bits));
  if (format.kind == k_float) return static_cast<float>(std::bit_cast<double>(bits));
  if (format.sample_bytes == 1) return static_cast<float>(static_cast<int>(bits) - 128) * 0x1p-7f;
  // Shifted to the top of 32 bits, so that the sign is the number's.
  const auto top =
      static_cast<std::int32_t>(static_cast<std::uint32_t>(bits << (32 - 8 * format.sample_bytes)));
  return static_cast<float>(static_cast<double>(top) * 0x1p-31);
}

Result<DecodedSound> read_samples(const WavFormat& format, std::string_view data) {
  SoundBuilder builder;
  MRUN_TRY(builder.begin(format.channels, format.rate_hz));
  const std::size_t frame_bytes = format.channels * format.sample_bytes;
  const std::size_t frames = data.size() / frame_bytes;
  MRUN_TRY(builder.need_room(frames));
  for (std::size_t frame = 0; frame < frames; ++frame)
    for (std::size_t c = 0; c < format.channels; ++c)
      builder.append(c, sample_of(format, data, frame * frame_bytes + c * format.sample_bytes));
  return builder.finish();
}

} // namespace

Result<DecodedSound> decode_wav(std::string_view bytes) {
  WavFormat format;
  std::size_t at = k_riff_head_bytes;
  while (bytes.size() - at >= k_chunk_head_bytes) {
    const std::string_view name = bytes.substr(at, 4);
    const std::uint64_t claimed = little_endian(bytes, at + 4, 4);
    at += k_chunk_head_bytes;
    const std::size_t left = bytes.size() - at;
    if (name == "data") {
      if (format.kind == 0)
        return fail(ErrorCode::input_file, "the WAV file has samples before their format");
      // A writer that could not go back leaves 0 or 2^32 - 1 for the length of what is still to come.
      const bool streamed = claimed == 0xffffffff || claimed == 0;
      if (claimed > left && !streamed)
        return fail(ErrorCode::input_file,
                    fmt::format("the WAV file ends early: {} bytes of samples are missing", claimed - left));
      return read_samples(format, bytes.substr(at, streamed ? left : claimed));
    }
    if (claimed > left) return fail(ErrorCode::input_file, "the WAV file ends early");
    if (name == "fmt ") {
      MRUN_ASSIGN(format, read_format(bytes.substr(at, claimed)));
    }
    at += std::min<std::size_t>(left, claimed + claimed % 2); // chunks begin at even places
  }
  return fail(ErrorCode::input_file, "the WAV file has no samples");
}

} // namespace mrun
