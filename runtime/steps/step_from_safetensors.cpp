#include "runtime/media/safetensors.h"
#include "runtime/steps/shape_check.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class FromSafetensors final : public Step {
 public:
  FromSafetensors(const StepOptions& options, std::string tensor, ShapeCheck shape)
      : m_from(options.from),
        m_to(options.to),
        m_tensor(std::move(tensor)),
        m_shape(std::move(shape)) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const std::string_view bytes, need_bytes(context.values, m_from));
    MRUN_ASSIGN(Tensor tensor, read_safetensors(bytes, m_tensor));
    MRUN_TRY(m_shape.check(tensor, ErrorCode::input_file, m_from));
    put(context, m_to, std::move(tensor));
    return {};
  }

 private:
  std::string m_from, m_to;
  std::string m_tensor; // "" for the only one
  ShapeCheck m_shape;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_from_safetensors(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_from_safetensors(const StepOptions& options, StepFiles&) {
  const OptionReader reader("from_safetensors", options, {"tensor", "shape"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(std::string tensor, reader.text("tensor", ""));
  MRUN_ASSIGN(ShapeCheck shape, ShapeCheck::make(reader));
  return std::make_unique<FromSafetensors>(options, std::move(tensor), std::move(shape));
}

} // namespace mrun
