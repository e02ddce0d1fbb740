#include <algorithm>

#include <fmt/format.h>

#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class Reshape final : public TensorStep {
 public:
  Reshape(const StepOptions& options, std::vector<std::int64_t> shape)
      : TensorStep(options),
        m_shape(std::move(shape)) {}

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext&) const override {
    std::vector<std::int64_t> shape = m_shape;
    std::int64_t known = 1;
    for (const std::int64_t size : shape)
      if (size >= 0 && __builtin_mul_overflow(known, size, &known)) known = -1;
    const auto count = static_cast<std::int64_t>(input.element_count());
    const auto open = std::find(shape.begin(), shape.end(), -1);
    if (open != shape.end() && known > 0 && count % known == 0) {
      *open = count / known;
      known = count;
    }
    if (known != count || std::find(shape.begin(), shape.end(), -1) != shape.end())
      return fail(ErrorCode::prediction_failed, fmt::format("a tensor of shape {} can't become {}",
                                                            shape_text(input.shape()), shape_text(m_shape)));
    if (count == 0) return Tensor::make(input.dtype(), std::move(shape)); // checks the other axes
    Tensor out = input;
    out.reshape(std::move(shape));
    return out;
  }

  std::vector<std::int64_t> m_shape; // at most one -1
};

} // namespace

Result<std::unique_ptr<Step>> make_step_reshape(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_reshape(const StepOptions& options, StepFiles&) {
  const OptionReader reader("reshape", options, {"shape"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(std::vector<std::int64_t> shape, reader.integers("shape"));
  if (std::count(shape.begin(), shape.end(), -1) > 1)
    return reader.error("option `shape` has more than one -1");
  return std::make_unique<Reshape>(options, std::move(shape));
}

} // namespace mrun
