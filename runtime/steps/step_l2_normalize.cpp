// The last axis to unit length, alone or with the mean_pool before it in one pass.
#include "kernels/pool_normalize/pool_normalize.h"
#include "runtime/steps/mean_pool_step.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class PoolNormalize final : public FusedStep {
 public:
  PoolNormalize(const MeanPool& pool, const TensorStep& normalize) : m_pool(pool), m_normalize(normalize) {}

  Result<bool> run(StepContext& context) const override {
    const Tensor* input = find_tensor(context.values, m_pool.from());
    if (input == nullptr) return false;
    auto pooling = m_pool.prepare(*input, context);
    if (!pooling) return false;
    kernels::pool_normalize(pooling->arguments, kernels::k_normalize_epsilon);
    put(context, m_normalize.to(), std::move(pooling->out));
    return true;
  }

 private:
  const MeanPool& m_pool;
  const TensorStep& m_normalize;
};

class L2Normalize final : public TensorStep {
 public:
  using TensorStep::TensorStep;

  std::unique_ptr<FusedStep> fuse(std::span<const Step* const> before) const override {
    const auto* pool = before.size() == 1 ? dynamic_cast<const MeanPool*>(before.front()) : nullptr;
    return pool == nullptr ? nullptr : std::make_unique<PoolNormalize>(*pool, *this);
  }

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext&) const override {
    MRUN_ASSIGN(const Tensor wide, to_f32(input));
    MRUN_ASSIGN(const std::size_t axis, resolve_axis(-1, wide));
    MRUN_ASSIGN(Tensor out, Tensor::make(DType::f32, wide.shape()));
    const std::size_t width = static_cast<std::size_t>(wide.shape()[axis]);
    kernels::l2_normalize(wide.as<float>().data(), width == 0 ? 0 : wide.element_count() / width, width,
                          kernels::k_normalize_epsilon, out.as<float>().data());
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
