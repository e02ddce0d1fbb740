#include <algorithm>
#include <cstring>

#include <fmt/format.h>

#include "common/limits.h"
#include "runtime/steps/picture_steps.h"

namespace mrun {

// torchvision's center_crop: a smaller picture is first padded by (crop - size) / 2 rounded down in front; a
// larger one is cut at round((size - crop) / 2), halves to the even number.
std::int64_t CenterCrop::origin(std::int64_t size, std::int64_t crop) {
  if (crop >= size) return -((crop - size) / 2);
  const std::int64_t extra = size - crop;
  const std::int64_t half = extra / 2;
  return half + (extra % 2 != 0 && half % 2 != 0 ? 1 : 0);
}

Result<Tensor> CenterCrop::apply(const Tensor& input, const StepContext&) const {
  MRUN_TRY(check_pixels(input));
  const std::int64_t height = input.shape()[0], width = input.shape()[1], channels = input.shape()[2];
  MRUN_ASSIGN(Tensor out, Tensor::make(DType::u8, {m_size.height, m_size.width, channels}));
  const std::int64_t top = origin(height, m_size.height), left = origin(width, m_size.width);
  const std::int64_t from_x = std::max<std::int64_t>(left, 0), to_x = std::max<std::int64_t>(-left, 0);
  const std::int64_t from_y = std::max<std::int64_t>(top, 0), to_y = std::max<std::int64_t>(-top, 0);
  const std::int64_t columns = std::min(width, m_size.width), rows = std::min(height, m_size.height);
  const std::uint8_t* from = input.as<std::uint8_t>().data();
  std::uint8_t* to = out.as<std::uint8_t>().data();
  for (std::int64_t y = 0; y < rows; ++y)
    std::memcpy(to + ((to_y + y) * m_size.width + to_x) * channels,
                from + ((from_y + y) * width + from_x) * channels,
                static_cast<std::size_t>(columns * channels));
  return out;
}

Result<std::unique_ptr<Step>> make_step_center_crop(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_center_crop(const StepOptions& options, StepFiles&) {
  const OptionReader reader("center_crop", options, {"size"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const std::vector<std::int64_t> size, reader.integers("size"));
  constexpr std::int64_t largest = 16'384;
  if (size.size() != 2 || size[0] < 1 || size[1] < 1 || size[0] > largest || size[1] > largest ||
      size[0] * size[1] > static_cast<std::int64_t>(k_max_image_pixels))
    return reader.error(fmt::format("option `size` is [height, width], each from 1 to {}", largest));
  return std::make_unique<CenterCrop>(options, PictureSize{size[0], size[1]});
}

} // namespace mrun
