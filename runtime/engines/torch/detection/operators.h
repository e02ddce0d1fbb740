// The operators of torchvision that models with a detection head call: `torchvision::nms`, `roi_align`,
// `roi_pool`, `ps_roi_align`, `ps_roi_pool`, `deform_conv2d`, `box_iou_rotated`. torchvision registers them
// by a library that needs Python and CUDA; these take its place, with its schemas and its results to the last
// bit in f32, f64 and (where torchvision has it) f16. For predictions only: no gradients.
//
// A program is anybody's, so what torchvision takes on trust is checked: that regions name a picture of the
// batch, that coordinates are finite, that shapes fit each other.
#pragma once

#include <tuple>

#include <torch/library.h>

#include "runtime/engines/torch/torch_headers.h"

namespace mrun::torch_engine {

// Their registrations, for as long as it lives. Not two at a time.
class DetectionOperators {
 public:
  // Registers those that no library has registered before: a bundle may bring torchvision's own.
  DetectionOperators();

 private:
  torch::Library m_library;
};

// Boxes f32 or f64 [N, 4] (x1, y1, x2, y2), scores [N] of the same dtype. The indices (i64) of the boxes that
// stay, best first: one goes when a better one that stays has more than `iou_threshold` of their union in
// common.
at::Tensor nms(const at::Tensor& boxes, const at::Tensor& scores, double iou_threshold);

// Rotated boxes [N, 5] and [M, 5] of (middle x, middle y, width, height, degrees): the share of their union
// that each two have in common, f32 [N, M]. Computed in f64, so torchvision's f32 is some 1e-6 away. The
// scripts of torchvision's detectors name it and never call it.
at::Tensor box_iou_rotated(const at::Tensor& boxes1, const at::Tensor& boxes2);

// In what follows: `input` [N, C, H, W]; `rois` [K, 5] of (number of the picture, x1, y1, x2, y2), of the
// same dtype; coordinates are multiplied by `spatial_scale`. Error (c10::Error): a shape or dtype that does
// not fit, a region of no picture or that is not finite, or too large to be sampled.

// [K, C, pooled_height, pooled_width]: bilinear samples, averaged in each bin. Mask R-CNN, arXiv:1703.06870.
// `sampling_ratio` ≤ 0: as many samples as the region has pixels. f16, too.
at::Tensor roi_align(const at::Tensor& input, const at::Tensor& rois, double spatial_scale,
                     std::int64_t pooled_height, std::int64_t pooled_width, std::int64_t sampling_ratio,
                     bool aligned);
// The largest of each bin, and where it is in its picture's plane (i32; -1 in an empty bin). Fast R-CNN,
// arXiv:1504.08083.
std::tuple<at::Tensor, at::Tensor> roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                            double spatial_scale, std::int64_t pooled_height,
                                            std::int64_t pooled_width);
// Position-sensitive: each bin has channels of its own, so C is a multiple of the number of bins. The
// averages, and the channel (i32) of each. Light-Head R-CNN, arXiv:1711.07264. f16, too.
std::tuple<at::Tensor, at::Tensor> ps_roi_align(const at::Tensor& input, const at::Tensor& rois,
                                                double spatial_scale, std::int64_t pooled_height,
                                                std::int64_t pooled_width, std::int64_t sampling_ratio);
// The same over whole pixels. R-FCN, arXiv:1605.06409.
std::tuple<at::Tensor, at::Tensor> ps_roi_pool(const at::Tensor& input, const at::Tensor& rois,
                                               double spatial_scale, std::int64_t pooled_height,
                                               std::int64_t pooled_width);

// A convolution that reads each of its taps `offset` away from its place, times `mask` (when `use_mask`).
// input [N, C, H, W], weight [out, C / groups, kh, kw], offset [N, offset_groups * 2 * kh * kw, oh, ow] of
// (y, x), mask [N, offset_groups * kh * kw, oh, ow], bias [out]. f16, too. Deformable ConvNets v2,
// arXiv:1811.11168.
at::Tensor deform_conv2d(const at::Tensor& input, const at::Tensor& weight, const at::Tensor& offset,
                         const at::Tensor& mask, const at::Tensor& bias, std::int64_t stride_h,
                         std::int64_t stride_w, std::int64_t pad_h, std::int64_t pad_w,
                         std::int64_t dilation_h, std::int64_t dilation_w, std::int64_t groups,
                         std::int64_t offset_groups, bool use_mask);

} // namespace mrun::torch_engine
