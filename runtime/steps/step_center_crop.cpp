#include <cstring>

#include <fmt/format.h>

#include "common/limits.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

// What one axis of the output takes: `length` elements from `from` in the input to `to` in the output, else
// zeros.
struct Span {
  std::int64_t from = 0, to = 0, length = 0;
};

// torchvision's center_crop: a smaller picture is first padded by (crop - size) / 2 rounded down in front; a
// larger one is cut at round((size - crop) / 2), halves to the even number.
Span centered(std::int64_t size, std::int64_t crop) {
  if (crop >= size) return {0, (crop - size) / 2, size};
  const std::int64_t extra = size - crop;
  const std::int64_t half = extra / 2;
  return {half + (extra % 2 != 0 && half % 2 != 0 ? 1 : 0), 0, crop};
}

class CenterCrop final : public TensorStep {
 public:
  CenterCrop(const StepOptions& options, std::int64_t height, std::int64_t width)
      : TensorStep(options),
        m_height(height),
        m_width(width) {}

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext&) const override {
    MRUN_TRY(check_pixels(input));
    MRUN_ASSIGN(Tensor out, Tensor::make(DType::u8, {m_height, m_width, input.shape()[2]}));
    const Span rows = centered(input.shape()[0], m_height);
    const Span columns = centered(input.shape()[1], m_width);
    const std::int64_t channels = input.shape()[2];
    const std::uint8_t* from = input.as<std::uint8_t>().data();
    std::uint8_t* to = out.as<std::uint8_t>().data();
    for (std::int64_t y = 0; y < rows.length; ++y)
      std::memcpy(to + ((rows.to + y) * m_width + columns.to) * channels,
                  from + ((rows.from + y) * input.shape()[1] + columns.from) * channels,
                  static_cast<std::size_t>(columns.length * channels));
    return out;
  }

  std::int64_t m_height, m_width;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_center_crop(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_center_crop(const StepOptions& options, StepFiles&) {
  const OptionReader reader("center_crop", options, {"size"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const std::vector<std::int64_t> size, reader.integers("size"));
  constexpr std::int64_t largest = 16'384;
  if (size.size() != 2 || size[0] < 1 || size[1] < 1 || size[0] > largest || size[1] > largest ||
      size[0] * size[1] > static_cast<std::int64_t>(k_max_image_pixels))
    return reader.error(fmt::format("option `size` is [height, width], each from 1 to {}", largest));
  return std::make_unique<CenterCrop>(options, size[0], size[1]);
}

} // namespace mrun
