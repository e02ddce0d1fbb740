// Pictures to pixels: JPEG, PNG and WebP, as Pillow's Image.open(f).convert("RGB") gives them.
//
// The bytes are untrusted. Dimensions are read and checked (k_max_image_side, k_max_image_pixels) before
// anything of their size is allocated; a file that ends early, breaks its format or has too many scans is the
// error input_file. Animations give their first frame. Any thread; nothing is kept between calls.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/error.h"
#include "runtime/media/tensor.h"

namespace mrun {

enum class ImageFormat { unknown, jpeg, png, webp };

// By the first bytes, never by the name.
ImageFormat sniff_image(std::string_view bytes);
std::string_view image_format_name(ImageFormat format); // "JPEG"

struct DecodedImage {
  Tensor pixels;       // u8 [height, width, 3]
  int orientation = 1; // of EXIF, 1 to 8 (TIFF 6.0, tag 274); 1 where there is none
};

// Errors: input_file.
Result<DecodedImage> decode_image(std::string_view bytes);

// Turns pixels u8 [height, width, 3] upright, as Pillow's ImageOps.exif_transpose. Orientation 1 is the same
// buffer.
Result<Tensor> apply_orientation(const Tensor& pixels, int orientation);

} // namespace mrun
