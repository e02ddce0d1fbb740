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
constexpr std::array<std::string_view, 6> k_of_engine = {
    "torchvision::deform_conv2d", "torchvision::nms",       "torchvision::ps_roi_align",
    "torchvision::ps_roi_pool",   "torchvision::roi_align", "torchvision::roi_pool"};
constexpr std::array<std::string_view, 5> k_refused = {"aten::from_file", "aten::save", "mkldnn::data_ptr",
                                                       "prim::PythonOp", "prim::IgnoredPythonOp"};

// They take sizes, strides or indices at their word and read or write beyond their tensors (each was seen to,
// in torch 2.14: tests/torch/past_memory.py). Models that only predict have no use for them: gradients,
// losses, and what LibTorch calls with numbers of its own.
constexpr std::array<std::string_view, 36> k_unchecked = {"aten::_reshape_alias",
                                                          "aten::_reshape_alias_copy",
                                                          "aten::max_pool2d_with_indices_backward",
                                                          "aten::max_pool3d_with_indices_backward",
                                                          "aten::max_pool2d_backward",
                                                          "aten::mkldnn_max_pool2d_backward",
                                                          "aten::mkldnn_max_pool3d_backward",
                                                          "aten::adaptive_max_pool2d_backward",
                                                          "aten::adaptive_max_pool3d_backward",
                                                          "aten::fractional_max_pool2d_backward",
                                                          "aten::fractional_max_pool3d_backward",
                                                          "aten::_embedding_bag_backward",
                                                          "aten::_embedding_bag_dense_backward",
                                                          "aten::_embedding_bag_sparse_backward",
                                                          "aten::_embedding_bag_per_sample_weights_backward",
                                                          "aten::embedding_backward",
                                                          "aten::embedding_sparse_backward",
                                                          "aten::segment_reduce",
                                                          "aten::_segment_reduce_backward",
                                                          "aten::ctc_loss",
                                                          "aten::_ctc_loss",
                                                          "aten::_ctc_loss_backward",
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
                                                          "aten::native_batch_norm_backward"};
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
         !name.starts_with(k_rpc_prefix);
}

bool may_use_class(std::string_view name) {
  if (!name.starts_with(k_class_prefix)) return true;
  name.remove_prefix(k_class_prefix.size());
  return contains(k_class_namespaces, name.substr(0, name.find('.')));
}

} // namespace mrun::torch_engine
