// @NAME@: registers `mylib::scale_shift` with PyTorch, one implementation a device. Python loads the same
// library by torch.ops.load_library, mrun opens it because mrun.yaml names it under `operators:` of its
// options.
#include <ATen/ATen.h>
#include <torch/library.h>
#ifdef WITH_CUDA
#include <c10/cuda/CUDAStream.h>
#endif

#include "scale_shift.h"

namespace {

at::Tensor checked(const at::Tensor& x) {
  TORCH_CHECK(x.scalar_type() == at::kFloat, "mylib::scale_shift takes float32, not ", x.scalar_type());
  return x.contiguous();
}

at::Tensor on_cpu(const at::Tensor& given, double scale, double shift) {
  const at::Tensor x = checked(given);
  at::Tensor y = at::empty_like(x);
  scale_shift_cpu(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(), static_cast<std::size_t>(x.numel()),
                  static_cast<float>(scale), static_cast<float>(shift));
  return y;
}

#ifdef WITH_CUDA
at::Tensor on_cuda(const at::Tensor& given, double scale, double shift) {
  const at::Tensor x = checked(given);
  at::Tensor y = at::empty_like(x);
  const int problem = scale_shift_cuda(x.const_data_ptr<float>(), y.mutable_data_ptr<float>(),
                                       static_cast<std::size_t>(x.numel()), static_cast<float>(scale),
                                       static_cast<float>(shift), c10::cuda::getCurrentCUDAStream().stream());
  TORCH_CHECK(problem == 0, "mylib::scale_shift: CUDA error ", problem);
  return y;
}
#endif

// Shapes and dtypes alone: torch.export asks for it.
at::Tensor on_meta(const at::Tensor& x, double, double) {
  return at::empty_like(x);
}

} // namespace

TORCH_LIBRARY(mylib, library) {
  library.def("scale_shift(Tensor x, float scale, float shift) -> Tensor");
}
TORCH_LIBRARY_IMPL(mylib, CPU, library) {
  library.impl("scale_shift", &on_cpu);
}
TORCH_LIBRARY_IMPL(mylib, Meta, library) {
  library.impl("scale_shift", &on_meta);
}
#ifdef WITH_CUDA
TORCH_LIBRARY_IMPL(mylib, CUDA, library) {
  library.impl("scale_shift", &on_cuda);
}
#endif
