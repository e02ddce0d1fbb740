#include "runtime/steps/mean_pool_step.h"

#include <fmt/format.h>

namespace mrun {

Result<MeanPool::Pooling> MeanPool::prepare(const Tensor& input, const StepContext& context) const {
  if (input.shape().size() != 2 && input.shape().size() != 3)
    return fail(ErrorCode::prediction_failed,
                fmt::format("a tensor of shape {} can't be pooled, [batch, tokens, width] is needed",
                            shape_text(input.shape())));
  Pooling pooling;
  MRUN_ASSIGN(pooling.vectors, to_f32(input));
  std::vector<std::int64_t> rows = input.shape();
  const std::int64_t width = rows.back();
  rows.pop_back(); // [batch, tokens] or [tokens]
  if (!m_mask.empty()) {
    MRUN_ASSIGN(pooling.mask, need_f32(context.values, m_mask));
    if (pooling.mask.shape() != rows)
      return fail(ErrorCode::prediction_failed,
                  fmt::format("the mask `{}` has shape {}, {} is needed for {}", m_mask,
                              shape_text(pooling.mask.shape()), shape_text(rows), shape_text(input.shape())));
  }
  const std::int64_t tokens = rows.back();
  rows.back() = width;
  MRUN_ASSIGN(pooling.out, Tensor::make(DType::f32, rows));
  pooling.arguments = {pooling.vectors.as<float>().data(),
                       m_mask.empty() ? nullptr : pooling.mask.as<float>().data(),
                       rows.size() == 2 ? static_cast<std::size_t>(rows.front()) : 1,
                       static_cast<std::size_t>(tokens),
                       static_cast<std::size_t>(width),
                       pooling.out.as<float>().data()};
  return pooling;
}

Result<Tensor> MeanPool::apply(const Tensor& input, const StepContext& context) const {
  MRUN_ASSIGN(Pooling pooling, prepare(input, context));
  kernels::mean_pool(pooling.arguments);
  return std::move(pooling.out);
}

Result<std::unique_ptr<Step>> make_step_mean_pool(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_mean_pool(const StepOptions& options, StepFiles&) {
  const OptionReader reader("mean_pool", options, {"mask"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(std::string mask, reader.text("mask", ""));
  return std::make_unique<MeanPool>(options, std::move(mask));
}

} // namespace mrun
