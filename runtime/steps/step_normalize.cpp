// (v / 255 - mean) / std, alone or with the resize and the crop before it in one pass.
#include <fmt/format.h>

#include "kernels/image_preprocess/image_preprocess.h"
#include "runtime/steps/picture_steps.h"

namespace mrun {
namespace {

class Normalize final : public TensorStep {
 public:
  Normalize(const StepOptions& options, std::vector<float> mean, std::vector<float> deviation, bool planes,
            bool half)
      : TensorStep(options),
        m_mean(std::move(mean)),
        m_deviation(std::move(deviation)),
        m_planes(planes),
        m_half(half) {}

  std::unique_ptr<FusedStep> fuse(std::span<const Step* const> before) const override;

  std::size_t channels() const { return m_mean.size(); }
  // What `how` takes of the picture, normalised.
  Result<Tensor> preprocess(const Tensor& picture, kernels::PreprocessPicture how, PictureSize size,
                            kernels::ResizeFilter filter) const {
    const std::int64_t channels = picture.shape()[2];
    MRUN_ASSIGN(Tensor out, Tensor::make(m_half ? DType::bf16 : DType::f32,
                                         m_planes ? std::vector{channels, size.height, size.width}
                                                  : std::vector{size.height, size.width, channels}));
    how.pixels = picture.as<std::uint8_t>().data();
    kernels::image_preprocess({static_cast<int>(channels), static_cast<int>(size.width),
                               static_cast<int>(size.height), filter, m_mean.data(), m_deviation.data(),
                               m_half ? kernels::PreprocessType::bf16 : kernels::PreprocessType::f32,
                               m_planes ? kernels::PreprocessLayout::nchw : kernels::PreprocessLayout::nhwc},
                              {&how, 1}, out.data());
    return out;
  }

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext&) const override {
    MRUN_TRY(check_pixels(input));
    if (static_cast<std::size_t>(input.shape()[2]) != channels())
      return fail(ErrorCode::prediction_failed,
                  fmt::format("the picture has {} channels, `mean` and `std` have {} entries",
                              input.shape()[2], channels()));
    const int height = static_cast<int>(input.shape()[0]), width = static_cast<int>(input.shape()[1]);
    return preprocess(input, {nullptr, width, height, width, height, 0, 0}, {height, width},
                      kernels::ResizeFilter::bilinear);
  }

  std::vector<float> m_mean, m_deviation;
  bool m_planes, m_half;
};

// resize and center_crop, either or both, and normalize.
class Preprocess final : public FusedStep {
 public:
  Preprocess(const TensorStep& first, const Resize* resize, const CenterCrop* crop,
             const Normalize& normalize)
      : m_first(first),
        m_resize(resize),
        m_crop(crop),
        m_normalize(normalize) {}

  Result<bool> run(StepContext& context) const override {
    const Tensor* picture = find_tensor(context.values, m_first.from());
    if (picture == nullptr || !check_pixels(*picture) ||
        static_cast<std::size_t>(picture->shape()[2]) != m_normalize.channels())
      return false;
    const PictureSize given{picture->shape()[0], picture->shape()[1]};
    PictureSize resized = given;
    if (m_resize != nullptr) {
      const Result<PictureSize> target = m_resize->target(given);
      if (!target) return false;
      resized = *target;
    }
    const PictureSize size = m_crop != nullptr ? m_crop->size() : resized;
    const kernels::PreprocessPicture how{nullptr,
                                         static_cast<int>(given.width),
                                         static_cast<int>(given.height),
                                         static_cast<int>(resized.width),
                                         static_cast<int>(resized.height),
                                         static_cast<int>(CenterCrop::origin(resized.width, size.width)),
                                         static_cast<int>(CenterCrop::origin(resized.height, size.height))};
    MRUN_ASSIGN(Tensor out, m_normalize.preprocess(*picture, how, size,
                                                   m_resize != nullptr ? m_resize->filter()
                                                                       : kernels::ResizeFilter::bilinear));
    put(context, m_normalize.to(), std::move(out));
    return true;
  }

 private:
  const TensorStep& m_first;
  const Resize* m_resize; // null: none
  const CenterCrop* m_crop;
  const Normalize& m_normalize;
};

std::unique_ptr<FusedStep> Normalize::fuse(std::span<const Step* const> before) const {
  const auto* resize = dynamic_cast<const Resize*>(before.front());
  const auto* crop = dynamic_cast<const CenterCrop*>(before.back());
  if (before.size() == 1 && resize != nullptr)
    return std::make_unique<Preprocess>(*resize, resize, nullptr, *this);
  if (before.size() == 1 && crop != nullptr) return std::make_unique<Preprocess>(*crop, nullptr, crop, *this);
  if (before.size() == 2 && resize != nullptr && crop != nullptr)
    return std::make_unique<Preprocess>(*resize, resize, crop, *this);
  return nullptr;
}

} // namespace

Result<std::unique_ptr<Step>> make_step_normalize(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_normalize(const StepOptions& options, StepFiles&) {
  const OptionReader reader("normalize", options, {"mean", "std", "layout", "dtype"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const std::vector<double> mean, reader.numbers("mean", 0));
  MRUN_ASSIGN(const std::vector<double> deviation, reader.numbers("std", 0));
  MRUN_ASSIGN(const std::size_t layout, reader.choice("layout", {"nchw", "nhwc"}, "nchw"));
  MRUN_ASSIGN(const std::size_t type, reader.choice("dtype", {"f32", "bf16"}, "f32"));
  if (mean.size() != deviation.size() || mean.size() > 4)
    return reader.error("`mean` and `std` have one entry a channel, 1 to 4");
  for (const double value : deviation)
    if (static_cast<float>(value) == 0.0f) return reader.error("an entry of `std` is 0");
  return std::make_unique<Normalize>(options, std::vector<float>(mean.begin(), mean.end()),
                                     std::vector<float>(deviation.begin(), deviation.end()), layout == 0,
                                     type == 1);
}

} // namespace mrun
