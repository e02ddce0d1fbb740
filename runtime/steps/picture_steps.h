// The steps that `normalize` can do together with its own work: resize and center_crop.
#pragma once

#include "kernels/image_resize/image_resize.h"
#include "runtime/steps/tensor_step.h"

namespace mrun {

struct PictureSize {
  std::int64_t height = 0, width = 0;
};

class Resize final : public TensorStep {
 public:
  Resize(const StepOptions& options, std::int64_t shorter_side, PictureSize size,
         kernels::ResizeFilter filter)
      : TensorStep(options),
        m_shorter_side(shorter_side),
        m_size(size),
        m_filter(filter) {}

  // What becomes of a picture of that size. Error input_file when it would be too large.
  Result<PictureSize> target(PictureSize picture) const;
  kernels::ResizeFilter filter() const { return m_filter; }

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext& context) const override;

  std::int64_t m_shorter_side; // 0: m_size instead
  PictureSize m_size;
  kernels::ResizeFilter m_filter;
};

class CenterCrop final : public TensorStep {
 public:
  CenterCrop(const StepOptions& options, PictureSize size) : TensorStep(options), m_size(size) {}

  PictureSize size() const { return m_size; }
  // Where the crop's first element lies on an axis of `size` elements; negative: that many zeros come before
  // it.
  static std::int64_t origin(std::int64_t size, std::int64_t crop);

 private:
  Result<Tensor> apply(const Tensor& input, const StepContext& context) const override;

  PictureSize m_size;
};

} // namespace mrun
