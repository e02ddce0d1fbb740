#include "runtime/media/npy.h"
#include "runtime/steps/shape_check.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class FromNpy final : public Step {
 public:
  FromNpy(const StepOptions& options, ShapeCheck shape)
      : m_from(options.from),
        m_to(options.to),
        m_shape(std::move(shape)) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const std::string_view bytes, need_bytes(context.values, m_from));
    MRUN_ASSIGN(Tensor tensor, read_npy(bytes));
    MRUN_TRY(m_shape.check(tensor, ErrorCode::input_file, m_from));
    put(context, m_to, std::move(tensor));
    return {};
  }

 private:
  std::string m_from, m_to;
  ShapeCheck m_shape;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_from_npy(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_from_npy(const StepOptions& options, StepFiles&) {
  const OptionReader reader("from_npy", options, {"shape"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(ShapeCheck shape, ShapeCheck::make(reader));
  return std::make_unique<FromNpy>(options, std::move(shape));
}

} // namespace mrun
