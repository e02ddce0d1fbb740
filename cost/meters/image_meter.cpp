// Pictures: their size from the header, and of moving ones the frames' delays.
#include "cost/meters/file_meters.h"

namespace mrun::meters {
namespace {

using Number = std::optional<std::uint64_t>;

// JPEG's start-of-frame markers (ITU-T T.81, table B.1): C0 … CF but DHT, JPG and DAC.
bool is_frame_marker(std::uint64_t marker) {
  return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

// Behind a GIF's chain of sub-blocks; 0 when it does not end.
std::size_t skip_sub_blocks(const ByteView& file, std::size_t at) {
  while (const Number length = file.little(at, 1)) {
    at += 1 + static_cast<std::size_t>(*length);
    if (*length == 0) return at;
  }
  return 0;
}

std::size_t color_table_bytes(std::uint64_t flags) {
  return (flags & 0x80U) != 0 ? 3U << ((flags & 7U) + 1) : 0;
}

FileMeasure measure_tiff(const ByteView& file, bool is_little) {
  const auto read = [&](std::size_t at, std::size_t count) {
    return is_little ? file.little(at, count) : file.big(at, count);
  };
  Number width, height;
  const std::size_t directory = read(4, 4).value_or(0);
  const std::uint64_t entries = read(directory, 2).value_or(0);
  for (std::size_t i = 0; i < entries; ++i) {
    const std::size_t at = directory + 2 + 12 * i;
    const Number tag = read(at, 2);
    const Number type = read(at + 2, 2);
    if (!tag || !type) break;
    if (*tag != 256 && *tag != 257) continue;
    (*tag == 256 ? width : height) = read(at + 8, *type == 3 ? 2 : 4); // SHORT or LONG
  }
  return picture(width, height);
}

} // namespace

// PNG, third edition (W3C): IHDR first; an animation has acTL before the image data and an fcTL for each
// frame.
std::optional<FileMeasure> measure_png(const ByteView& file) {
  if (!file.has(0, "\x89PNG\r\n\x1a\n")) return std::nullopt;
  const bool has_header = file.has(12, "IHDR");
  FileMeasure measure =
      picture(has_header ? file.big(16, 4) : Number(), has_header ? file.big(20, 4) : Number());
  bool is_animated = false, is_whole = false;
  std::uint64_t frames = 0;
  std::int64_t duration_ns = 0;
  for (std::size_t at = 8; const Number length = file.big(at, 4);) {
    const std::string_view type = file.text(at + 4, 4);
    if (type == "acTL") is_animated = true;
    if (type == "IEND") is_whole = true;
    if (is_whole || (type == "IDAT" && !is_animated)) break; // a plain picture needs no walk
    if (type == "fcTL") {
      ++frames;
      const std::uint64_t per_second = file.big(at + 8 + 22, 2).value_or(0);
      const auto delay_ns =
          ticks_to_ns(file.big(at + 8 + 20, 2).value_or(0), per_second == 0 ? 100 : per_second);
      duration_ns = std::min(duration_ns + delay_ns.value_or(0), k_max_duration_ns);
    }
    at += 12 + static_cast<std::size_t>(*length);
  }
  if (is_animated) animate(measure, frames, is_whole ? std::optional(duration_ns) : std::nullopt);
  return measure;
}

// ITU-T T.81 B.2: segments until the start of a frame.
std::optional<FileMeasure> measure_jpeg(const ByteView& file) {
  if (!file.has(0, "\xFF\xD8\xFF")) return std::nullopt;
  std::size_t at = 2;
  while (const Number prefix = file.big(at, 1)) {
    if (*prefix != 0xFF) break;
    const Number marker = file.big(at + 1, 1);
    if (!marker || *marker == 0xD9 || *marker == 0xDA) break; // the picture's end, or its data
    if (*marker == 0xFF) {                                    // fill
      ++at;
      continue;
    }
    if (is_frame_marker(*marker)) return picture(file.big(at + 7, 2), file.big(at + 5, 2));
    const Number length = file.big(at + 2, 2);
    if (!length || *length < 2) break;
    at += 2 + static_cast<std::size_t>(*length);
  }
  return picture(Number(), Number());
}

// GIF89a: a graphic control extension gives the delay of the image that follows, in hundredths of a second.
std::optional<FileMeasure> measure_gif(const ByteView& file) {
  if (!file.has(0, "GIF87a") && !file.has(0, "GIF89a")) return std::nullopt;
  FileMeasure measure = picture(file.little(6, 2), file.little(8, 2));
  std::uint64_t frames = 0, hundredths = 0;
  bool is_whole = false;
  std::size_t at = 13 + color_table_bytes(file.little(10, 1).value_or(0));
  while (const Number block = file.little(at, 1)) {
    if (*block == 0x3B) {
      is_whole = true;
      break;
    }
    std::size_t data = at + 2;
    if (*block == 0x21) {
      if (file.has(at + 1, "\xF9\x04")) hundredths += file.little(at + 4, 2).value_or(0);
    } else if (*block == 0x2C) {
      ++frames;
      data = at + 10 + color_table_bytes(file.little(at + 9, 1).value_or(0)) + 1;
    } else {
      break;
    }
    at = skip_sub_blocks(file, data);
    if (at == 0) break;
  }
  animate(measure, frames, is_whole ? ticks_to_ns(hundredths, 100) : std::nullopt);
  return measure;
}

std::optional<FileMeasure> measure_bitmap(const ByteView& file) {
  if (file.has(0, std::string_view("II*\0", 4))) return measure_tiff(file, true);
  if (file.has(0, std::string_view("MM\0*", 4))) return measure_tiff(file, false);
  if (file.has(0, "\xFF\x0A") || file.has(0, std::string_view("\0\0\0\x0CJXL \r\n\x87\n", 12)))
    return picture(Number(), Number()); // JPEG XL: its size is inside its bit stream
  // BMP: a file header of 14 bytes with its own size, then a header whose size is known.
  const Number header = file.little(14, 4);
  if (!file.has(0, "BM") || !header || *header < 12 || *header > 124) return std::nullopt;
  if (*header == 12) return picture(file.little(18, 2), file.little(20, 2));
  Number height = file.little(22, 4);
  if (height && *height > 0x7FFFFFFF) height = 0x1'0000'0000 - *height; // top down
  return picture(file.little(18, 4), height);
}

} // namespace mrun::meters
