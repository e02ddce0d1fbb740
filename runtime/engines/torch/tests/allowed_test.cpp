// The operators and classes that a program may use.
#include <doctest/doctest.h>

#include "runtime/engines/torch/allowed.h"

using namespace mrun::torch_engine;

TEST_CASE("operators that compute may run") {
  for (const char* name :
       {"aten::add", "aten::as_strided", "prim::If", "prim::fork", "prims::convert_element_type",
        "quantized::linear_dynamic", "quantized_decomposed::dequantize_per_tensor",
        "mkldnn::_linear_pointwise", "onednn::qlinear_pointwise"})
    CHECK_MESSAGE(may_run(name), name);
}

TEST_CASE("of torchvision those may run that the engine brings") {
  CHECK(may_run("torchvision::nms"));
  CHECK(is_of_engine("torchvision::deform_conv2d"));
  CHECK_FALSE(may_run("torchvision::qnms"));
  CHECK_FALSE(is_of_engine("aten::add"));
}

TEST_CASE("operators that reach for files, memory, processes or Python may not") {
  for (const char* name :
       {"aten::save", "aten::from_file", "mkldnn::data_ptr", "prim::PythonOp", "prim::rpc_async",
        "prim::rpc_remote", "inductor::_reinterpret_tensor", "c10d::broadcast_", "cuda::set_stream",
        "profiler::_record_function_enter_new", "mylib::magic", "at::add", ""})
    CHECK_FALSE_MESSAGE(may_run(name), name);
}

TEST_CASE("operators that would read or write beyond their tensors may not") {
  for (const char* name :
       {"aten::_reshape_alias", "aten::_reshape_alias_copy", "aten::_ctc_loss",
        "aten::max_pool2d_with_indices_backward", "aten::_sparse_coo_tensor_unsafe", "aten::segment_reduce",
        "aten::native_batch_norm_backward", "aten::_log_softmax_backward_data", "aten::_pdist_backward",
        "aten::linalg_ldl_solve"})
    CHECK_FALSE_MESSAGE(may_run(name), name);
  for (const char* name : {"aten::_unsafe_view", "aten::max_pool2d_with_indices", "aten::embedding_bag",
                           "aten::native_layer_norm_backward", "aten::sparse_coo_tensor"})
    CHECK_MESSAGE(may_run(name), name);
}

TEST_CASE("of torch.classes only packed weights may be used; a program's own classes may") {
  CHECK(may_use_class("__torch__.torch.classes.quantized.LinearPackedParamsBase"));
  CHECK(may_use_class("__torch__.MyModule"));
  CHECK_FALSE(may_use_class("__torch__.torch.classes.profiling._ScriptProfile"));
  CHECK_FALSE(may_use_class("__torch__.torch.classes.c10d.ProcessGroup"));
  CHECK_FALSE(may_use_class("__torch__.torch.classes.quantized_but_not"));
}
