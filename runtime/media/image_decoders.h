// Inside of runtime/media: one decoder per format, and what they share.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/media/image.h"

namespace mrun {

Result<DecodedImage> decode_jpeg(std::string_view bytes);
Result<DecodedImage> decode_png(std::string_view bytes);
Result<DecodedImage> decode_webp(std::string_view bytes);

// Checks the size against the limits and makes the pixels: u8 [height, width, 3].
Result<Tensor> make_pixels(std::uint64_t width, std::uint64_t height);

// The orientation of an EXIF block (a TIFF file; a leading "Exif\0\0" is skipped). 1 for anything that is not
// one.
int exif_orientation(std::string_view exif);

} // namespace mrun
