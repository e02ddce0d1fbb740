// RIFF files: WebP pictures, AVI videos, WAV sounds. Chunks of {four letters, u32 size, data, pad to even}.
#include "cost/meters/file_meters.h"

namespace mrun::meters {
namespace {

using Number = std::optional<std::uint64_t>;

// Calls `take(id, data)` for each chunk of `list`; false when the last one ends early, or `take` wants no
// more.
template<class Take>
bool each_chunk(const ByteView& list, Take take) {
  std::size_t at = 0;
  while (const Number size = list.little(at + 4, 4)) {
    if (!take(list.text(at, 4), list.slice(at + 8, *size))) return true;
    if (*size > list.size() - at - 8) return false;
    at += 8 + static_cast<std::size_t>(*size + (*size & 1U));
  }
  return at >= list.size();
}

// RFC 9649
FileMeasure measure_webp(const ByteView& chunks) {
  FileMeasure measure = picture(Number(), Number());
  std::uint64_t frames = 0, milliseconds = 0;
  const auto plus_one = [](const Number& number) { return number ? Number(*number + 1) : Number(); };
  const bool is_whole = each_chunk(chunks, [&](std::string_view id, const ByteView& data) {
    if (id == "VP8X") {
      measure = picture(plus_one(data.little(4, 3)), plus_one(data.little(7, 3)));
    } else if (id == "VP8 " && !measure.pixels && data.has(3, "\x9d\x01\x2a")) {
      const Number width = data.little(6, 2), height = data.little(8, 2);
      if (width && height) measure = picture(*width & 0x3FFFU, *height & 0x3FFFU);
    } else if (id == "VP8L" && !measure.pixels && data.has(0, "\x2f")) {
      if (const Number bits = data.little(1, 4))
        measure = picture((*bits & 0x3FFFU) + 1, (*bits >> 14U & 0x3FFFU) + 1);
    } else if (id == "ANMF") {
      ++frames;
      milliseconds += data.little(12, 3).value_or(0);
    }
    return true;
  });
  animate(measure, frames, is_whole ? ticks_to_ns(milliseconds, 1000) : std::nullopt);
  return measure;
}

// The stream header of the video: length · scale / rate.
FileMeasure measure_avi(const ByteView& chunks) {
  std::optional<std::int64_t> duration_ns;
  const auto read_stream = [&](std::string_view id, const ByteView& header) {
    if (id != "strh" || !header.has(0, "vids")) return true;
    const Number scale = header.little(20, 4), rate = header.little(24, 4), length = header.little(32, 4);
    if (scale && rate && length && *length > 0) duration_ns = ticks_to_ns(*scale * *length, *rate);
    return false;
  };
  each_chunk(chunks, [&](std::string_view id, const ByteView& list) {
    if (id != "LIST" || !list.has(0, "hdrl")) return true;
    each_chunk(list.slice(4, list.size()), [&](std::string_view inner, const ByteView& stream) {
      if (inner == "LIST" && stream.has(0, "strl")) each_chunk(stream.slice(4, stream.size()), read_stream);
      return !duration_ns;
    });
    return false;
  });
  return video(duration_ns, k_no_duration);
}

FileMeasure measure_wav(const ByteView& chunks) {
  Number rate, frame_bytes, bytes_per_second, data_bytes;
  each_chunk(chunks, [&](std::string_view id, const ByteView& data) {
    if (id == "fmt ") {
      rate = data.little(4, 4);
      bytes_per_second = data.little(8, 4);
      frame_bytes = data.little(12, 2);
      if (data.little(0, 2) != 1 && data.little(0, 2) != 3 && data.little(0, 2) != 0xFFFE)
        rate.reset(); // packed
    } else if (id == "data") {
      data_bytes = data.size(); // what is there, whatever a writer that streams has put as its size
    }
    return !data_bytes;
  });
  if (!data_bytes) return sound(std::nullopt, k_cut_short);
  if (rate && frame_bytes.value_or(0) > 0)
    return sound(ticks_to_ns(*data_bytes / *frame_bytes, *rate), k_no_duration);
  return sound(ticks_to_ns(*data_bytes, bytes_per_second.value_or(0)), k_no_duration);
}

} // namespace

std::optional<FileMeasure> measure_riff(const ByteView& file) {
  if (!file.has(0, "RIFF")) return std::nullopt;
  const ByteView chunks = file.slice(12, file.size());
  if (file.has(8, "WEBP")) return measure_webp(chunks);
  if (file.has(8, "AVI ")) return measure_avi(chunks);
  if (file.has(8, "WAVE")) return measure_wav(chunks);
  return std::nullopt;
}

} // namespace mrun::meters
