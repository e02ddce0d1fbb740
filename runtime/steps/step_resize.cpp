#include <fmt/format.h>

#include "common/limits.h"
#include "kernels/image_resize/image_resize.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

using kernels::ResizeFilter;

struct Size {
  std::int64_t height = 0, width = 0;
};

class Resize final : public TensorStep {
 public:
  Resize(const StepOptions& options, std::int64_t shorter_side, Size size, ResizeFilter filter)
      : TensorStep(options),
        m_shorter_side(shorter_side),
        m_size(size),
        m_filter(filter) {}

 private:
  // torchvision's rule for one number: the longer side is int(shorter_side * long / short).
  Size target(std::int64_t height, std::int64_t width) const {
    if (m_shorter_side == 0) return m_size;
    const std::int64_t shorter = std::min(height, width);
    const std::int64_t longer = std::max(height, width);
    const auto scaled = static_cast<std::int64_t>(static_cast<double>(m_shorter_side * longer) /
                                                  static_cast<double>(shorter));
    return width <= height ? Size{scaled, m_shorter_side} : Size{m_shorter_side, scaled};
  }

  Result<Tensor> apply(const Tensor& input, const StepContext&) const override {
    MRUN_TRY(check_pixels(input));
    const std::int64_t height = input.shape()[0];
    const std::int64_t width = input.shape()[1];
    const Size size = target(height, width);
    const auto limit = static_cast<std::int64_t>(k_max_image_side);
    if (size.height > limit || size.width > limit ||
        size.height * size.width > static_cast<std::int64_t>(k_max_image_pixels))
      return fail(
          ErrorCode::input_file,
          fmt::format("a picture of {} x {} pixels would be {} x {} after resizing, which is too large",
                      width, height, size.width, size.height));
    MRUN_ASSIGN(Tensor out, Tensor::make(DType::u8, {size.height, size.width, input.shape()[2]}));
    kernels::image_resize_u8(input.as<std::uint8_t>().data(), static_cast<int>(width),
                             static_cast<int>(height), static_cast<int>(input.shape()[2]),
                             out.as<std::uint8_t>().data(), static_cast<int>(size.width),
                             static_cast<int>(size.height), m_filter);
    return out;
  }

  std::int64_t m_shorter_side; // 0: m_size instead
  Size m_size;
  ResizeFilter m_filter;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_resize(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_resize(const StepOptions& options, StepFiles&) {
  const OptionReader reader("resize", options, {"shorter_side", "size", "filter", "antialias"});
  MRUN_TRY(reader.check_names());
  if (reader.has("shorter_side") == reader.has("size"))
    return reader.error("exactly one of `shorter_side` and `size` is needed");
  std::int64_t shorter_side = 0;
  Size size;
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
  if (!antialias && filter != static_cast<std::size_t>(ResizeFilter::nearest))
    return reader.error(
        "`antialias: false` is not supported: Pillow's filters, which this step follows, always do");
  return std::make_unique<Resize>(options, shorter_side, size, static_cast<ResizeFilter>(filter));
}

} // namespace mrun
