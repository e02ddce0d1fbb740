#include "runtime/engines/torch/detection/operators.h"

#include <array>
#include <string>
#include <type_traits>

#include "common/error.h"
#include "runtime/engines/torch/allowed.h"

namespace mrun::torch_engine {
namespace {

template<class Change>
at::Tensor each_tensor(const at::Tensor& tensor, Change change) {
  return change(tensor);
}
template<class Change>
std::tuple<at::Tensor, at::Tensor> each_tensor(const std::tuple<at::Tensor, at::Tensor>& tensors,
                                               Change change) {
  return {change(std::get<0>(tensors)), change(std::get<1>(tensors))};
}
template<class Number, class Change>
  requires std::is_arithmetic_v<Number>
Number each_tensor(Number number, Change) {
  return number;
}

// How an operation, whose first argument is a tensor, is registered.
template<auto operation>
struct Kernels;

template<class R, class... A, R (*operation)(const at::Tensor&, A...)>
struct Kernels<operation> {
  // What lies on a GPU comes to the CPU and goes back: a detection head works on few numbers.
  static R on_cpu(const at::Tensor& first, A... others) {
    if (first.is_cpu()) return operation(first, others...);
    const auto there = [](const at::Tensor& tensor) { return tensor.cpu(); };
    return each_tensor(operation(there(first), each_tensor(others, there)...),
                       [&](const at::Tensor& result) { return result.to(first.device()); });
  }

  // Under autocast, as torchvision: in f32, and the result in the first tensor's dtype unless it is integers.
  static R in_f32(const at::Tensor& first, A... others) {
    const c10::impl::ExcludeDispatchKeyGuard no_autocast(c10::autocast_dispatch_keyset);
    const auto wide = [](const at::Tensor& tensor) {
      return tensor.is_floating_point() ? tensor.to(at::kFloat) : tensor;
    };
    return each_tensor(on_cpu(wide(first), each_tensor(others, wide)...), [&](const at::Tensor& result) {
      return result.is_floating_point() ? result.to(first.scalar_type()) : result;
    });
  }

  static void implement(torch::Library& library, const char* name) {
    library.impl(name, torch::dispatch(c10::DispatchKey::CPU, &on_cpu));
    library.impl(name, torch::dispatch(c10::DispatchKey::CUDA, &on_cpu));
    library.impl(name, torch::dispatch(c10::DispatchKey::AutocastCPU, &in_f32));
    library.impl(name, torch::dispatch(c10::DispatchKey::AutocastCUDA, &in_f32));
  }
};

struct Row {
  const char* name;
  const char* signature; // torchvision's own
  void (*implement)(torch::Library& library, const char* name);
};

constexpr std::array<Row, 7> k_rows = {{
    {"nms", "(Tensor dets, Tensor scores, float iou_threshold) -> Tensor", Kernels<&nms>::implement},
    {"box_iou_rotated", "(Tensor boxes1, Tensor boxes2) -> Tensor", Kernels<&box_iou_rotated>::implement},
    {"roi_align",
     "(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
     "int sampling_ratio, bool aligned) -> Tensor",
     Kernels<&roi_align>::implement},
    {"roi_pool",
     "(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) "
     "-> (Tensor, Tensor)",
     Kernels<&roi_pool>::implement},
    {"ps_roi_align",
     "(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width, "
     "int sampling_ratio) -> (Tensor, Tensor)",
     Kernels<&ps_roi_align>::implement},
    {"ps_roi_pool",
     "(Tensor input, Tensor rois, float spatial_scale, SymInt pooled_height, SymInt pooled_width) "
     "-> (Tensor, Tensor)",
     Kernels<&ps_roi_pool>::implement},
    {"deform_conv2d",
     "(Tensor input, Tensor weight, Tensor offset, Tensor mask, Tensor bias, SymInt stride_h, SymInt "
     "stride_w, "
     "SymInt pad_h, SymInt pad_w, SymInt dilation_h, SymInt dilation_w, SymInt groups, SymInt offset_groups, "
     "bool use_mask) -> Tensor",
     Kernels<&deform_conv2d>::implement},
}};

} // namespace

DetectionOperators::DetectionOperators()
    : m_library(torch::Library::FRAGMENT, "torchvision", std::nullopt, __FILE__, __LINE__) {
  for (const Row& row : k_rows) {
    const std::string whole = std::string("torchvision::") + row.name;
    MRUN_CHECK(is_of_engine(whole));
    if (c10::Dispatcher::singleton().findSchema({whole, ""})) continue;
    m_library.def((std::string(row.name) + row.signature).c_str());
    row.implement(m_library, row.name);
  }
}

} // namespace mrun::torch_engine
