// A library of operators that brings torchvision's own namespace, as torchvision's would: its `nms` keeps
// all.
#include <ATen/ATen.h>
#include <torch/library.h>

namespace {

at::Tensor keep_all(const at::Tensor& boxes, const at::Tensor&, double) {
  return at::arange(boxes.size(0), at::kLong);
}

} // namespace

TORCH_LIBRARY(torchvision, library) {
  library.def("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor");
  library.impl("nms", torch::dispatch(c10::DispatchKey::CPU, &keep_all));
}
