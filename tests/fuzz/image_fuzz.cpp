// Pictures as inputs of a step: pixels under the limits, upright by every orientation, or an error that can
// be shown.
#include "common/limits.h"
#include "runtime/media/image.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const Result<DecodedImage> image = decode_image(bytes);
  if (!image) {
    fuzz::check_error(image.error());
    return 0;
  }
  MRUN_CHECK(sniff_image(bytes) != ImageFormat::unknown);
  const std::vector<std::int64_t>& shape = image->pixels.shape();
  MRUN_CHECK(shape.size() == 3 && shape[0] > 0 && shape[1] > 0 && shape[2] == 3);
  MRUN_CHECK(image->pixels.element_count() <= 3 * k_max_image_pixels);
  const auto upright = apply_orientation(image->pixels, image->orientation);
  MRUN_CHECK(upright.has_value() && upright->element_count() == image->pixels.element_count());
  return 0;
}
