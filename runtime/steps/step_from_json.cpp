#include <fmt/format.h>

#include "runtime/steps/shape_check.h"
#include "runtime/steps/tensor_json.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class FromJson final : public Step {
 public:
  FromJson(const StepOptions& options, DType type, ShapeCheck shape)
      : m_from(options.from),
        m_to(options.to),
        m_type(type),
        m_shape(std::move(shape)) {}

  Result<void> run(StepContext& context) const override {
    MRUN_ASSIGN(const StepValue* value, need_value(context.values, m_from));
    const Json* json = std::get_if<Json>(value);
    if (json == nullptr)
      return fail(ErrorCode::prediction_failed, fmt::format("`{}` is no JSON value", m_from));
    auto tensor = tensor_from_json(*json, m_type);
    if (!tensor)
      return tl::unexpected(std::move(tensor).error().with_note(
          fmt::format("while reading `{}` as {}", m_from, dtype_name(m_type))));
    MRUN_TRY(m_shape.check(*tensor, ErrorCode::input_type, m_from));
    put(context, m_to, *std::move(tensor));
    return {};
  }

 private:
  std::string m_from, m_to;
  DType m_type;
  ShapeCheck m_shape;
};

} // namespace

Result<std::unique_ptr<Step>> make_step_from_json(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_from_json(const StepOptions& options, StepFiles&) {
  const OptionReader reader("from_json", options, {"dtype", "shape"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(const DType type, reader.dtype("dtype", "f32"));
  MRUN_ASSIGN(ShapeCheck shape, ShapeCheck::make(reader));
  return std::make_unique<FromJson>(options, type, std::move(shape));
}

} // namespace mrun
