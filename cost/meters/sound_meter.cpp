// Sounds that are no RIFF, MP4 or Matroska: FLAC, Ogg, MP3.
#include <array>

#include "cost/meters/file_meters.h"

namespace mrun::meters {
namespace {

using Number = std::optional<std::uint64_t>;

// RFC 9639 8.2, STREAMINFO: behind sizes, 20 bits of rate, 8 of format, 36 of samples (0: not told).
std::optional<std::int64_t> flac_duration(const ByteView& info) {
  const Number packed = info.big(10, 8);
  if (!packed) return std::nullopt;
  const std::uint64_t rate = *packed >> 44U;
  const std::uint64_t samples = *packed & 0xF'FFFF'FFFFU;
  return samples == 0 ? std::nullopt : ticks_to_ns(samples, rate);
}

struct OggStream {
  std::uint64_t per_second = 0;
  std::uint64_t skip = 0; // samples before the sound begins
  bool is_video = false;
};

// The first packet of the stream tells its codec (RFC 7845, Vorbis I 4.2.2, the FLAC mapping).
OggStream ogg_stream(const ByteView& packet) {
  if (packet.has(0, "OpusHead")) return {48'000, packet.little(10, 2).value_or(0), false};
  if (packet.has(0, "\x01vorbis")) return {packet.little(12, 4).value_or(0), 0, false};
  if (packet.has(0, "\x7f"
                    "FLAC"))
    return {packet.big(13 + 4 + 10, 3).value_or(0) >> 4U, 0, false};
  return {0, 0, packet.has(0, "\x80theora")};
}

// RFC 3533: the granule position of a stream's last page is how many samples it holds.
FileMeasure measure_ogg(const ByteView& file) {
  const std::size_t segments = file.little(26, 1).value_or(0);
  const OggStream stream = ogg_stream(file.slice(27 + segments, file.size()));
  if (stream.is_video) return video(std::nullopt, k_no_duration);
  const Number serial = file.little(14, 4);
  constexpr std::uint64_t k_no_packet_ends = ~std::uint64_t{0};
  std::string_view rest = file.bytes();
  for (std::size_t at = rest.rfind("OggS"); at != std::string_view::npos && stream.per_second > 0;
       at = at == 0 ? std::string_view::npos : rest.rfind("OggS", at - 1)) {
    const Number granule = file.little(at + 6, 8);
    if (file.little(at + 14, 4) != serial || !granule || *granule == k_no_packet_ends) continue;
    return sound(*granule > stream.skip ? ticks_to_ns(*granule - stream.skip, stream.per_second)
                                        : std::nullopt,
                 k_no_duration);
  }
  return sound(std::nullopt, k_no_duration);
}

struct Mp3Frame {
  std::uint64_t samples = 0, rate = 0, bytes = 0;
};

// ISO/IEC 11172-3 and 13818-3, layer III.
std::optional<Mp3Frame> mp3_frame(const ByteView& file, std::size_t at) {
  static constexpr std::array<std::array<std::uint64_t, 15>, 2> k_kilobits = {
      {{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320},
       {0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}}};
  static constexpr std::array<std::uint64_t, 3> k_rates = {44'100, 48'000, 32'000};
  const Number header = file.big(at, 4);
  if (!header || *header >> 21U != 0x7FF) return std::nullopt;
  const std::uint64_t version = *header >> 19U & 3U; // 3: MPEG-1, 2: MPEG-2, 0: 2.5
  const std::uint64_t layer = *header >> 17U & 3U;
  const std::uint64_t kilobits = *header >> 12U & 15U;
  const std::uint64_t rate = *header >> 10U & 3U;
  if (version == 1 || layer != 1 || kilobits == 0 || kilobits == 15 || rate == 3) return std::nullopt;
  Mp3Frame frame;
  frame.rate = k_rates[rate] >> (version == 3 ? 0U : version == 2 ? 1U : 2U);
  frame.samples = version == 3 ? 1152 : 576;
  frame.bytes = frame.samples / 8 * k_kilobits[version == 3 ? 0 : 1][kilobits] * 1000 / frame.rate +
                (*header >> 9U & 1U);
  return frame;
}

// The size of an ID3v2 tag at the front; 0 without one.
std::size_t id3_bytes(const ByteView& file) {
  if (!file.has(0, "ID3")) return 0;
  std::size_t size = 0;
  for (std::size_t i = 6; i < 10; ++i)
    size = size << 7U | static_cast<std::size_t>(file.big(i, 1).value_or(0) & 0x7FU);
  return 10 + size;
}

std::optional<FileMeasure> measure_mp3(const ByteView& file) {
  std::size_t at = id3_bytes(file);
  const auto first = mp3_frame(file, at);
  // Two letters of sync are found anywhere: without a tag in front a second frame must follow.
  if (!first || (at == 0 && !mp3_frame(file, first->bytes)))
    return at > 0 ? std::optional(sound(std::nullopt, k_no_duration)) : std::nullopt;
  std::uint64_t samples = 0;
  while (const auto frame = mp3_frame(file, at)) {
    // An encoder's first frame may hold only its own notes.
    const std::string_view head = file.text(at, 64);
    const bool is_note = samples == 0 && (head.find("Xing") != std::string_view::npos ||
                                          head.find("Info") != std::string_view::npos);
    samples += is_note ? 0 : frame->samples;
    at += static_cast<std::size_t>(frame->bytes);
    if (is_note && samples == 0 && !mp3_frame(file, at)) break;
  }
  return sound(samples > 0 ? ticks_to_ns(samples, first->rate) : std::nullopt, k_no_duration);
}

} // namespace

std::optional<FileMeasure> measure_sound(const ByteView& file) {
  if (file.has(0, "fLaC")) return sound(flac_duration(file.slice(8, file.size())), k_no_duration);
  if (file.has(0, "OggS")) return measure_ogg(file);
  return measure_mp3(file);
}

} // namespace mrun::meters
