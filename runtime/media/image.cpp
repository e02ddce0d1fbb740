#include "runtime/media/image.h"

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"
#include "runtime/media/image_decoders.h"

namespace mrun {

ImageFormat sniff_image(std::string_view bytes) {
  if (bytes.starts_with("\xff\xd8\xff")) return ImageFormat::jpeg;
  if (bytes.starts_with("\x89PNG\r\n\x1a\n")) return ImageFormat::png;
  if (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP")
    return ImageFormat::webp;
  return ImageFormat::unknown;
}

std::string_view image_format_name(ImageFormat format) {
  switch (format) {
  case ImageFormat::jpeg:
    return "JPEG";
  case ImageFormat::png:
    return "PNG";
  case ImageFormat::webp:
    return "WebP";
  case ImageFormat::unknown:
    break;
  }
  return "unknown";
}

Result<DecodedImage> decode_image(std::string_view bytes) {
  switch (sniff_image(bytes)) {
  case ImageFormat::jpeg:
    return decode_jpeg(bytes);
  case ImageFormat::png:
    return decode_png(bytes);
  case ImageFormat::webp:
    return decode_webp(bytes);
  case ImageFormat::unknown:
    break;
  }
  if (bytes.empty()) return fail(ErrorCode::input_file, "the picture is empty");
  return fail(ErrorCode::input_file,
              fmt::format("the file is no JPEG, PNG or WebP picture: it begins with `{}`",
                          printable(bytes.substr(0, 8))));
}

Result<Tensor> make_pixels(std::uint64_t width, std::uint64_t height) {
  if (width == 0 || height == 0)
    return fail(ErrorCode::input_file, fmt::format("the picture has no pixels: {} x {}", width, height));
  if (width > k_max_image_side || height > k_max_image_side || width * height > k_max_image_pixels)
    return fail(
        ErrorCode::input_file,
        fmt::format("the picture is too large: {} x {} pixels, at most {} million and {} a side are allowed",
                    width, height, k_max_image_pixels / 1'000'000, k_max_image_side));
  return Tensor::make(DType::u8, {static_cast<std::int64_t>(height), static_cast<std::int64_t>(width), 3});
}

Result<Tensor> apply_orientation(const Tensor& pixels, int orientation) {
  if (orientation <= 1 || orientation > 8) return pixels;
  const std::int64_t height = pixels.shape()[0];
  const std::int64_t width = pixels.shape()[1];
  const bool swapped = orientation >= 5; // rows become columns
  MRUN_ASSIGN(Tensor out, Tensor::make(DType::u8, {swapped ? width : height, swapped ? height : width, 3}));
  const bool flip_rows = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  const bool flip_columns = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const std::uint8_t* from = pixels.as<std::uint8_t>().data();
  std::uint8_t* to = out.as<std::uint8_t>().data();
  for (std::int64_t y = 0; y < out.shape()[0]; ++y)
    for (std::int64_t x = 0; x < out.shape()[1]; ++x, to += 3) {
      // The source pixel of (y, x): mirrored in the output's axes, then transposed.
      const std::int64_t row = flip_rows ? out.shape()[0] - 1 - y : y;
      const std::int64_t column = flip_columns ? out.shape()[1] - 1 - x : x;
      const std::uint8_t* pixel = from + 3 * (swapped ? column * width + row : row * width + column);
      to[0] = pixel[0];
      to[1] = pixel[1];
      to[2] = pixel[2];
    }
  return out;
}

} // namespace mrun
