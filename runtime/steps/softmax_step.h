// softmax, which top_k can do together with its own work.
#pragma once

#include "runtime/steps/tensor_step.h"

namespace mrun {

class Softmax final : public TensorStep {
 public:
  Softmax(const StepOptions& options, std::int64_t axis) : TensorStep(options), m_axis(axis) {}

  std::int64_t axis() const { return m_axis; }

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext& context) const override;

  std::int64_t m_axis;
};

} // namespace mrun
