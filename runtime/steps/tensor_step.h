// The frame of most steps: one tensor in, one tensor out.
#pragma once

#include <string>
#include <utility>

#include "runtime/steps/options.h"
#include "runtime/steps/step.h"

namespace mrun {

class TensorStep : public Step {
 public:
  explicit TensorStep(const StepOptions& options) : m_from(options.from), m_to(options.to) {}

  const std::string& from() const { return m_from; }
  const std::string& to() const { return m_to; }

  Result<void> run(StepContext& context) const final {
    MRUN_ASSIGN(const Tensor input, need_tensor(context.values, m_from));
    MRUN_ASSIGN(Tensor output, apply(input, context));
    context.values.insert_or_assign(m_to, std::move(output));
    return {};
  }

 private:
  virtual Result<Tensor> apply(const Tensor& input, const StepContext& context) const = 0;

  std::string m_from, m_to;
};

// Puts the value under the step's `to`.
inline void put(StepContext& context, const std::string& name, StepValue value) {
  context.values.insert_or_assign(name, std::move(value));
}

// u8 [height, width, 1 to 4]; error prediction_failed otherwise.
Result<void> check_pixels(const Tensor& pixels);

} // namespace mrun
