#include <fmt/format.h>

#include "kernels/mean_pool/mean_pool.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {
namespace {

class MeanPool final : public TensorStep {
 public:
  MeanPool(const StepOptions& options, std::string mask) : TensorStep(options), m_mask(std::move(mask)) {}

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext& context) const override {
    if (input.shape().size() != 2 && input.shape().size() != 3)
      return fail(ErrorCode::prediction_failed,
                  fmt::format("a tensor of shape {} can't be pooled, [batch, tokens, width] is needed",
                              shape_text(input.shape())));
    MRUN_ASSIGN(const Tensor vectors, to_f32(input));
    std::vector<std::int64_t> rows = input.shape();
    const std::int64_t width = rows.back();
    rows.pop_back(); // [batch, tokens] or [tokens]
    Tensor mask;
    if (!m_mask.empty()) {
      MRUN_ASSIGN(mask, need_f32(context.values, m_mask));
      if (mask.shape() != rows)
        return fail(ErrorCode::prediction_failed,
                    fmt::format("the mask `{}` has shape {}, {} is needed for {}", m_mask,
                                shape_text(mask.shape()), shape_text(rows), shape_text(input.shape())));
    }
    const std::int64_t tokens = rows.back();
    rows.back() = width;
    MRUN_ASSIGN(Tensor out, Tensor::make(DType::f32, rows));
    const std::size_t batch = rows.size() == 2 ? static_cast<std::size_t>(rows.front()) : 1;
    kernels::mean_pool(vectors.as<float>().data(), m_mask.empty() ? nullptr : mask.as<float>().data(), batch,
                       static_cast<std::size_t>(tokens), static_cast<std::size_t>(width),
                       out.as<float>().data());
    return out;
  }

  std::string m_mask; // "" for none
};

} // namespace

Result<std::unique_ptr<Step>> make_step_mean_pool(const StepOptions& options, StepFiles&);

Result<std::unique_ptr<Step>> make_step_mean_pool(const StepOptions& options, StepFiles&) {
  const OptionReader reader("mean_pool", options, {"mask"});
  MRUN_TRY(reader.check_names());
  MRUN_ASSIGN(std::string mask, reader.text("mask", ""));
  return std::make_unique<MeanPool>(options, std::move(mask));
}

} // namespace mrun
