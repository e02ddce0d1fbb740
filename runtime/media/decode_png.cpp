// PNG by libspng, which undoes filters and interlacing; samples become RGB here, by Pillow's rules: 16-bit
// colour keeps the high byte, 16-bit gray is clipped at 255, alpha and tRNS are dropped.
#include <array>
#include <memory>
#include <vector>

#include <fmt/format.h>
#include <spng.h>

#include "common/limits.h"
#include "runtime/media/image_decoders.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_chunk_bytes = 8 * k_mib; // of one text, profile or EXIF chunk
constexpr std::size_t k_chunk_cache_bytes = 16 * k_mib;

using Context = std::unique_ptr<spng_ctx, decltype(&spng_ctx_free)>;

tl::unexpected<Error> broken(int code) {
  const bool short_file = code == SPNG_EOF || code == SPNG_IO_EOF;
  return fail(ErrorCode::input_file, fmt::format("the PNG picture can't be decoded: {}",
                                                 short_file ? "the file ends early" : spng_strerror(code)));
}

// A table from a sample of up to 8 bits, packed or not, to RGB.
using SampleTable = std::array<std::array<std::uint8_t, 3>, 256>;

Result<SampleTable> sample_table(spng_ctx* context, const spng_ihdr& header) {
  SampleTable table{}; // an index beyond the palette is black
  if (header.color_type == SPNG_COLOR_TYPE_INDEXED) {
    spng_plte palette{};
    if (const int code = spng_get_plte(context, &palette); code != 0) return broken(code);
    for (std::size_t i = 0; i < palette.n_entries && i < 256; ++i)
      table[i] = {palette.entries[i].red, palette.entries[i].green, palette.entries[i].blue};
    return table;
  }
  const unsigned largest = (1U << header.bit_depth) - 1;
  for (unsigned i = 0; i <= largest; ++i)
    table[i].fill(static_cast<std::uint8_t>(i * 255 / largest));
  return table;
}

// One row of samples (1, 2, 4 or 8 bits, the leftmost in the highest bits) through the table.
void expand_row(const std::uint8_t* in, std::size_t pixels, unsigned bits, const SampleTable& table,
                std::uint8_t* out) {
  const unsigned mask = (1U << bits) - 1;
  for (std::size_t x = 0; x < pixels; ++x, out += 3) {
    const std::size_t bit = x * bits;
    const auto& rgb = table[in[bit / 8] >> (8 - bits - bit % 8) & mask];
    out[0] = rgb[0];
    out[1] = rgb[1];
    out[2] = rgb[2];
  }
}

// One row of big-endian or 8-bit samples: gray or colour, with or without alpha.
void take_row(const std::uint8_t* in, std::size_t pixels, std::size_t channels, std::size_t sample_bytes,
              std::uint8_t* out) {
  const std::size_t step = channels * sample_bytes;
  const bool gray = channels < 3;
  const bool clip = sample_bytes == 2 && channels == 1;
  for (std::size_t x = 0; x < pixels; ++x, in += step, out += 3) {
    out[0] = clip && in[0] != 0 ? 255 : in[clip ? 1 : 0];
    out[1] = gray ? out[0] : in[sample_bytes];
    out[2] = gray ? out[0] : in[2 * sample_bytes];
  }
}

std::size_t channel_count(const spng_ihdr& header) {
  switch (header.color_type) {
  case SPNG_COLOR_TYPE_TRUECOLOR:
    return 3;
  case SPNG_COLOR_TYPE_GRAYSCALE_ALPHA:
    return 2;
  case SPNG_COLOR_TYPE_TRUECOLOR_ALPHA:
    return 4;
  default:
    return 1;
  }
}

Result<void> decode_rows(spng_ctx* context, const spng_ihdr& header, std::uint8_t* out) {
  std::size_t image_bytes = 0;
  // RAW: the samples as in the file, big-endian and packed, after filters and interlacing.
  if (const int code = spng_decoded_image_size(context, SPNG_FMT_RAW, &image_bytes); code != 0)
    return broken(code);
  const std::size_t row_bytes = image_bytes / header.height;
  const std::size_t channels = channel_count(header);
  SampleTable table{};
  const bool by_table = channels == 1 && header.bit_depth <= 8;
  if (by_table) {
    MRUN_ASSIGN(table, sample_table(context, header));
  }
  const auto convert = [&](const std::uint8_t* row, std::uint8_t* target) {
    if (by_table)
      expand_row(row, header.width, header.bit_depth, table, target);
    else
      take_row(row, header.width, channels, header.bit_depth / 8U, target);
  };
  const std::size_t out_row_bytes = std::size_t{header.width} * 3;
  const bool direct = channels == 3 && header.bit_depth == 8; // the file's samples are the result
  if (direct || header.interlace_method != 0) {
    std::vector<std::uint8_t> whole(direct ? 0 : image_bytes);
    if (const int code =
            spng_decode_image(context, direct ? out : whole.data(), image_bytes, SPNG_FMT_RAW, 0);
        code != 0)
      return broken(code);
    for (std::size_t y = 0; !direct && y < header.height; ++y)
      convert(whole.data() + y * row_bytes, out + y * out_row_bytes);
    return {};
  }
  if (const int code = spng_decode_image(context, nullptr, 0, SPNG_FMT_RAW, SPNG_DECODE_PROGRESSIVE);
      code != 0)
    return broken(code);
  std::vector<std::uint8_t> row(row_bytes);
  for (std::size_t y = 0; y < header.height; ++y) {
    const int code = spng_decode_row(context, row.data(), row.size());
    if (code != 0 && !(code == SPNG_EOI && y + 1 == header.height)) return broken(code);
    convert(row.data(), out + y * out_row_bytes);
  }
  return {};
}

int orientation_of(spng_ctx* context) {
  spng_exif exif{};
  if (spng_get_exif(context, &exif) != 0) return 1;
  return exif_orientation({exif.data, exif.length});
}

} // namespace

Result<DecodedImage> decode_png(std::string_view bytes) {
  const Context context(spng_ctx_new(0), &spng_ctx_free);
  if (context == nullptr) return fail(ErrorCode::out_of_memory, "there is no memory to decode a PNG picture");
  spng_set_image_limits(context.get(), k_max_image_side, k_max_image_side);
  spng_set_chunk_limits(context.get(), k_max_chunk_bytes, k_chunk_cache_bytes);
  if (const int code = spng_set_png_buffer(context.get(), bytes.data(), bytes.size()); code != 0)
    return broken(code);
  spng_ihdr header{};
  if (const int code = spng_get_ihdr(context.get(), &header); code != 0) return broken(code);
  MRUN_ASSIGN(Tensor pixels, make_pixels(header.width, header.height));
  MRUN_TRY(decode_rows(context.get(), header, pixels.as<std::uint8_t>().data()));
  return DecodedImage{std::move(pixels), orientation_of(context.get())};
}

} // namespace mrun
