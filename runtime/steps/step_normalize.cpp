#include <cmath>

#include <fmt/format.h>

#include "kernels/normalize_to_nchw/normalize_to_nchw.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class Normalize final : public TensorStep {
 public:
  Normalize(const StepOptions& options, std::vector<float> mean, std::vector<float> deviation, bool planes)
      : TensorStep(options),
        m_mean(std::move(mean)),
        m_deviation(std::move(deviation)),
        m_planes(planes) {}

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext&) const override {
    MRUN_TRY(check_pixels(input));
    const std::int64_t height = input.shape()[0], width = input.shape()[1], channels = input.shape()[2];
    if (static_cast<std::size_t>(channels) != m_mean.size())
      return fail(ErrorCode::prediction_failed,
                  fmt::format("the picture has {} channels, `mean` and `std` have {} entries", channels,
                              m_mean.size()));
    MRUN_ASSIGN(Tensor out, Tensor::make(DType::f32, m_planes ? std::vector{channels, height, width}
                                                              : std::vector{height, width, channels}));
    const auto normalize = m_planes ? kernels::normalize_to_nchw : kernels::normalize_to_nhwc;
    normalize(input.as<std::uint8_t>().data(), static_cast<std::size_t>(height * width),
              static_cast<int>(channels), m_mean.data(), m_deviation.data(), out.as<float>().data());
    return out;
  }

  std::vector<float> m_mean, m_deviation;
  bool m_planes;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_normalize(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_normalize(const StepOptions& options, StepFiles&) {
  const OptionReader reader("normalize", options, {"mean", "std", "layout"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const std::vector<double> mean, reader.numbers("mean", 0));
  MRUN_ASSIGN(const std::vector<double> deviation, reader.numbers("std", 0));
  MRUN_ASSIGN(const std::size_t layout, reader.choice("layout", {"nchw", "nhwc"}, "nchw"));
  if (mean.size() != deviation.size() || mean.size() > 4)
    return reader.error("`mean` and `std` have one entry a channel, 1 to 4");
  for (const double value : deviation)
    if (static_cast<float>(value) == 0.0f) return reader.error("an entry of `std` is 0");
  return std::make_unique<Normalize>(options, std::vector<float>(mean.begin(), mean.end()),
                                     std::vector<float>(deviation.begin(), deviation.end()), layout == 0);
}

} // namespace mrun
