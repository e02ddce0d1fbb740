#include "kernels/l2_normalize/l2_normalize.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class L2Normalize final : public TensorStep {
 public:
  using TensorStep::TensorStep;

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext&) const override {
    MRUN_ASSIGN(const Tensor wide, to_f32(input));
    MRUN_ASSIGN(const std::size_t axis, resolve_axis(-1, wide));
    MRUN_ASSIGN(Tensor out, Tensor::make(DType::f32, wide.shape()));
    const std::size_t width = static_cast<std::size_t>(wide.shape()[axis]);
    constexpr float epsilon = 1e-12f; // torch.nn.functional.normalize
    kernels::l2_normalize(wide.as<float>().data(), width == 0 ? 0 : wide.element_count() / width, width,
                          epsilon, out.as<float>().data());
    return out;
  }
};

} // namespace

Result<std::unique_ptr<Step>> make_step_l2_normalize(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_l2_normalize(const StepOptions& options, StepFiles&) {
  MRUN_TRY(OptionReader("l2_normalize", options, {}).check_names());
  return std::make_unique<L2Normalize>(options);
}

} // namespace mrun
