// mean_pool, which l2_normalize can do together with its own work.
#pragma once

#include "kernels/pool_normalize/pool_normalize.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {

class MeanPool final : public TensorStep {
 public:
  MeanPool(const StepOptions& options, std::string mask) : TensorStep(options), m_mask(std::move(mask)) {}

  // What is pooled, in f32, and the result's memory.
  struct Pooling {
    Tensor vectors, mask, out;
    kernels::PoolArguments arguments; // of the three
  };
  Result<Pooling> prepare(const Tensor& input, const StepContext& context) const;

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext& context) const override;

  std::string m_mask; // "" for none
};

} // namespace mrun
