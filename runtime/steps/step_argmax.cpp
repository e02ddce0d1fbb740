#include <cmath>

#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class ArgMax final : public TensorStep {
 public:
  ArgMax(const StepOptions& options, std::int64_t axis) : TensorStep(options), m_axis(axis) {}

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext&) const override {
    MRUN_ASSIGN(const Tensor wide, to_f32(input));
    MRUN_ASSIGN(const std::size_t axis, resolve_axis(m_axis, wide));
    std::vector<std::int64_t> shape = wide.shape();
    const std::size_t size = static_cast<std::size_t>(shape[axis]);
    if (size == 0) return fail(ErrorCode::prediction_failed, "step `argmax`: the axis is empty");
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
    std::size_t inner = 1;
    for (std::size_t i = axis; i < shape.size(); ++i)
      inner *= static_cast<std::size_t>(shape[i]);
    MRUN_ASSIGN(Tensor out, Tensor::make(DType::i64, std::move(shape)));
    const float* from = wide.as<float>().data();
    std::size_t at = 0;
    for (std::int64_t& result : out.as<std::int64_t>()) {
      const float* first = from + at / inner * size * inner + at % inner;
      result = largest(first, size, inner);
      ++at;
    }
    return out;
  }

  // The first of equal values; the first NaN, if there is one, as torch.
  static std::int64_t largest(const float* first, std::size_t size, std::size_t step) {
    std::size_t best = 0;
    for (std::size_t i = 1; i < size && !std::isnan(first[best * step]); ++i)
      if (first[i * step] > first[best * step] || std::isnan(first[i * step])) best = i;
    return static_cast<std::int64_t>(best);
  }

  std::int64_t m_axis;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_argmax(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_argmax(const StepOptions& options, StepFiles&) {
  const OptionReader reader("argmax", options, {"axis"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const std::int64_t axis, reader.integer("axis", -16, 15, -1));
  return std::make_unique<ArgMax>(options, axis);
}

} // namespace mrun
