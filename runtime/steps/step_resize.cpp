#include <algorithm>

#include <fmt/format.h>

#include "common/limits.h"
#include "runtime/steps/picture_steps.h"

namespace mrun {

// With `shorter_side`, torchvision's rule for one number: the longer side is int(shorter_side * long /
// short).
Result<PictureSize> Resize::target(PictureSize picture) const {
  PictureSize size = m_size;
  if (m_shorter_side != 0) {
    const std::int64_t shorter = std::min(picture.height, picture.width);
    const std::int64_t longer = std::max(picture.height, picture.width);
    const auto scaled = static_cast<std::int64_t>(static_cast<double>(m_shorter_side * longer) /
                                                  static_cast<double>(shorter));
    size = picture.width <= picture.height ? PictureSize{scaled, m_shorter_side}
                                           : PictureSize{m_shorter_side, scaled};
  }
  const auto limit = static_cast<std::int64_t>(k_max_image_side);
  if (size.height > limit || size.width > limit ||
      size.height * size.width > static_cast<std::int64_t>(k_max_image_pixels))
    return fail(ErrorCode::input_file,
                fmt::format("a picture of {} x {} pixels would be {} x {} after resizing, which is too large",
                            picture.width, picture.height, size.width, size.height));
  return size;
}

Result<Tensor> Resize::apply(const Tensor& input, const StepContext&) const {
  MRUN_TRY(check_pixels(input));
  const PictureSize picture{input.shape()[0], input.shape()[1]};
  const std::int64_t channels = input.shape()[2];
  MRUN_ASSIGN(const PictureSize size, target(picture));
  MRUN_ASSIGN(Tensor out, Tensor::make(DType::u8, {size.height, size.width, channels}));
  kernels::image_resize({input.as<std::uint8_t>().data(), static_cast<int>(picture.width),
                         static_cast<int>(picture.height), static_cast<int>(channels),
                         static_cast<int>(size.width), static_cast<int>(size.height), m_filter},
                        out.as<std::uint8_t>().data());
  return out;
}

Result<std::unique_ptr<Step>> make_step_resize(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_resize(const StepOptions& options, StepFiles&) {
  const OptionReader reader("resize", options, {"shorter_side", "size", "filter", "antialias"});
  MRUN_TRY(reader.check_names());
  if (reader.has("shorter_side") == reader.has("size"))
    return reader.error("exactly one of `shorter_side` and `size` is needed");
  std::int64_t shorter_side = 0;
  PictureSize size;
  const auto largest = static_cast<std::int64_t>(k_max_image_side);
  if (reader.has("shorter_side")) {
    MRUN_ASSIGN(shorter_side, reader.integer("shorter_side", 1, largest));
  } else {
    MRUN_ASSIGN(const std::vector<std::int64_t> sizes, reader.integers("size"));
    if (sizes.size() != 2 || sizes[0] < 1 || sizes[1] < 1 || sizes[0] > largest || sizes[1] > largest)
      return reader.error(fmt::format("option `size` is [height, width], each from 1 to {}", largest));
    size = {sizes[0], sizes[1]};
  }
  MRUN_ASSIGN(
      const std::size_t filter,
      reader.choice("filter", {"nearest", "box", "bilinear", "hamming", "bicubic", "lanczos"}, "bilinear"));
  MRUN_ASSIGN(const bool antialias, reader.boolean("antialias", true));
  if (!antialias && filter != static_cast<std::size_t>(kernels::ResizeFilter::nearest))
    return reader.error(
        "`antialias: false` is not supported: Pillow's filters, which this step follows, always do");
  return std::make_unique<Resize>(options, shorter_side, size, static_cast<kernels::ResizeFilter>(filter));
}

} // namespace mrun
