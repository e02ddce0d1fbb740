#include "kernels/softmax_top_k/softmax_top_k.h"
#include "runtime/steps/softmax_step.h"

namespace mrun {

Result<Tensor> Softmax::apply(const Tensor& input, const StepContext&) const {
  MRUN_ASSIGN(const Tensor wide, to_f32(input));
  MRUN_ASSIGN(const std::size_t axis, resolve_axis(m_axis, wide));
  MRUN_ASSIGN(Tensor out, Tensor::make(DType::f32, wide.shape()));
  std::size_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < wide.shape().size(); ++i)
    (i < axis ? outer : inner) *= i == axis ? 1 : static_cast<std::size_t>(wide.shape()[i]);
  kernels::softmax(wide.as<float>().data(), outer, static_cast<std::size_t>(wide.shape()[axis]), inner,
                   out.as<float>().data());
  return out;
}

Result<std::unique_ptr<Step>> make_step_softmax(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_softmax(const StepOptions& options, StepFiles&) {
  const OptionReader reader("softmax", options, {"axis"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const std::int64_t axis, reader.integer("axis", -16, 15, -1));
  return std::make_unique<Softmax>(options, axis);
}

} // namespace mrun
