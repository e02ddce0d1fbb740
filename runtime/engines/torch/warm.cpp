#include "runtime/engines/torch/warm.h"

#include "runtime/engines/torch/torch_headers.h"

namespace mrun::torch_engine {
namespace {

// An encoder layer in the manner of BERT: embedding, attention, feed-forward.
void warm_text() {
  const at::Tensor ids = at::arange(6).view({1, 6});
  const at::Tensor table = at::ones({8, 24});
  const at::Tensor weight = at::ones({24, 24});
  const at::Tensor bias = at::zeros({24});
  at::Tensor hidden = at::layer_norm(at::embedding(table, ids) + at::embedding(table, ids).expand({1, 6, 24}),
                                     {24}, bias, bias);
  const auto heads = [&](const at::Tensor& tensor) {
    return at::linear(tensor, weight, bias).view({1, 6, 2, 12}).transpose(1, 2);
  };
  const at::Tensor mask = at::ones({1, 1, 6, 6}, at::kBool);
  hidden = at::scaled_dot_product_attention(heads(hidden), heads(hidden), heads(hidden), mask)
               .transpose(1, 2)
               .reshape({1, 6, 24});
  hidden = at::gelu(at::linear(hidden, at::ones({96, 24}), at::zeros({96}))).slice(1, 0, 3);
  hidden = at::softmax(at::matmul(hidden, hidden.transpose(1, 2)), -1).mean({1});
  at::cat({hidden, hidden}, 0).sum().item();
}

void warm_image() {
  const at::Tensor image = at::ones({1, 3, 16, 16});
  const at::Tensor ones = at::ones({8});
  at::Tensor hidden = at::conv2d(image, at::ones({8, 3, 3, 3}), {}, 2, 1);
  hidden = at::hardtanh(at::batch_norm(hidden, ones, ones, ones, ones, false, 0.1, 1e-5, false), 0, 6);
  hidden = at::relu(at::conv2d(hidden, at::ones({8, 1, 3, 3}), ones, 1, 1, 1, 8)) + hidden;
  hidden = at::flatten(at::adaptive_avg_pool2d(at::max_pool2d(hidden, 2), {1, 1}), 1);
  at::linear(hidden, at::ones({4, 8}), at::ones({4})).argmax(1).item();
}

} // namespace

void warm_up() {
  at::set_num_threads(1);
  const c10::InferenceMode inference;
  warm_text();
  warm_image();
}

} // namespace mrun::torch_engine
