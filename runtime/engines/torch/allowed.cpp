#include "runtime/engines/torch/allowed.h"

#include <algorithm>
#include <array>

namespace mrun::torch_engine {
namespace {

template<std::size_t N>
bool contains(const std::array<std::string_view, N>& list, std::string_view text) {
  return std::ranges::find(list, text) != list.end();
}

constexpr std::array<std::string_view, 9> k_namespaces = {
    "aten", "prims", "prim", "quantized", "_quantized", "quantized_decomposed", "mkldnn", "onednn", "mkl"};
constexpr std::array<std::string_view, 7> k_of_engine = {
    "torchvision::box_iou_rotated", "torchvision::deform_conv2d", "torchvision::nms",
    "torchvision::ps_roi_align",    "torchvision::ps_roi_pool",   "torchvision::roi_align",
    "torchvision::roi_pool"};
constexpr std::array<std::string_view, 5> k_refused = {"aten::from_file", "aten::save", "mkldnn::data_ptr",
                                                       "prim::PythonOp", "prim::IgnoredPythonOp"};

// They take sizes, strides or indices at their word and read or write beyond their tensors, or divide by
// zero: tests/torch/past_memory.py found them in torch 2.14, and others are variants of what it found. Models
// that only predict have no use for them: losses, what trains, and what LibTorch calls with numbers of its
// own. Those that models do use are checked before they run (argument_checks.h).
constexpr auto k_unchecked = std::to_array<std::string_view>({
    "aten::_reshape_alias",
    "aten::_reshape_alias_copy",
    "aten::segment_reduce",
    "aten::ctc_loss",
    "aten::_ctc_loss",
    "aten::_cudnn_ctc_loss",
    "aten::_use_cudnn_ctc_loss",
    "aten::_convert_indices_from_coo_to_csr",
    "aten::_convert_indices_from_csr_to_coo",
    "aten::_sparse_coo_tensor_unsafe",
    "aten::_sparse_coo_tensor_with_dims_and_tensors",
    "aten::_sparse_compressed_tensor_unsafe",
    "aten::_sparse_csr_tensor_unsafe",
    "aten::_sparse_csc_tensor_unsafe",
    "aten::_sparse_bsr_tensor_unsafe",
    "aten::_sparse_bsc_tensor_unsafe",
    "aten::_coalesced",
    "aten::_coalesced_",
    "aten::_compute_linear_combination",
    "aten::_dyn_quant_pack_4bit_weight",
    "aten::_dyn_quant_matmul_4bit",
    "aten::_fused_moving_avg_obs_fq_helper",
    "aten::_fused_moving_avg_obs_fq_helper_functional",
    "aten::fused_moving_avg_obs_fake_quant",
    "aten::_nested_view_from_buffer",
    "aten::_nested_view_from_buffer_copy",
    "aten::_sobol_engine_draw",
    "aten::_sobol_engine_ff_",
    "aten::_sobol_engine_initialize_state_",
    "aten::_sobol_engine_scramble_",
    "aten::_spdiags",
    "aten::linalg_ldl_solve",
    "aten::slow_conv3d",
    "aten::slow_conv3d_forward",
    "aten::slow_conv_transpose2d",
    "aten::slow_conv_transpose3d",
});
// Gradients, none of which a prediction needs; most believe that what they are given came from the forward
// function. The exception is checked before it runs.
constexpr std::string_view k_gradient = "_backward";
constexpr std::string_view k_checked_gradient = "aten::native_layer_norm_backward";
constexpr std::string_view k_rpc_prefix = "prim::rpc_";

// Packed weights of quantized and sparse layers.
constexpr std::string_view k_class_prefix = "__torch__.torch.classes.";
constexpr std::array<std::string_view, 5> k_class_namespaces = {"quantized", "rnn", "sparse", "mkldnn",
                                                                "xnnpack"};

} // namespace

bool is_of_engine(std::string_view name) {
  return contains(k_of_engine, name);
}

bool may_run(std::string_view name) {
  if (is_of_engine(name)) return true;
  const std::string_view space = name.substr(0, name.find(':'));
  return contains(k_namespaces, space) && !contains(k_refused, name) && !contains(k_unchecked, name) &&
         (name.find(k_gradient) == std::string_view::npos || name == k_checked_gradient) &&
         !name.starts_with(k_rpc_prefix);
}

bool may_use_class(std::string_view name) {
  if (!name.starts_with(k_class_prefix)) return true;
  name.remove_prefix(k_class_prefix.size());
  return contains(k_class_namespaces, name.substr(0, name.find('.')));
}

} // namespace mrun::torch_engine
