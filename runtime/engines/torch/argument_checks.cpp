#include "runtime/engines/torch/argument_checks.h"

#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

namespace mrun::torch_engine {
namespace {

using at::Tensor;

// The arguments of one call, by their names in the schema.
class Call {
 public:
  Call(const c10::FunctionSchema& schema, torch::jit::Stack& stack)
      : m_schema(schema),
        m_first(stack.end() - static_cast<std::ptrdiff_t>(schema.arguments().size())) {}

  bool has(std::string_view name) const { return index_of(name) >= 0; }
  // Undefined: the argument is None, or not one of this overload.
  Tensor tensor(std::string_view name) const {
    const int index = index_of(name);
    return index < 0 || !m_first[index].isTensor() ? Tensor() : m_first[index].toTensor();
  }
  std::int64_t integer(std::string_view name) const { return m_first[index_of(name)].toInt(); }
  bool flag(std::string_view name) const { return m_first[index_of(name)].toBool(); }
  std::vector<std::int64_t> integers(std::string_view name) const {
    return m_first[index_of(name)].toIntVector();
  }
  std::optional<double> number(std::string_view name) const {
    const int index = index_of(name);
    return index < 0 || m_first[index].isNone() ? std::nullopt : std::optional(m_first[index].toDouble());
  }
  // For kernels that read memory in order, whatever the strides.
  void make_contiguous(std::string_view name) {
    const int index = index_of(name);
    if (index >= 0 && m_first[index].isTensor()) m_first[index] = m_first[index].toTensor().contiguous();
  }

 private:
  int index_of(std::string_view name) const {
    for (std::size_t i = 0; i < m_schema.arguments().size(); ++i)
      if (m_schema.arguments()[i].name() == name) return static_cast<int>(i);
    return -1;
  }

  const c10::FunctionSchema& m_schema;
  torch::jit::Stack::iterator m_first;
};

void check_elements(const Tensor& tensor, std::int64_t count, const char* name) {
  TORCH_CHECK(!tensor.defined() || tensor.numel() == count, "`", name, "` has ",
              tensor.defined() ? tensor.numel() : 0, " elements, ", count, " are needed");
}

void check_shape(const Tensor& tensor, at::IntArrayRef shape, const char* name) {
  TORCH_CHECK(tensor.defined() && tensor.sizes() == shape, "`", name, "` does not have shape ", shape);
}

// ---- normalisation

void check_batch_norm(Call& call) {
  const Tensor input = call.tensor("input");
  TORCH_CHECK(input.dim() >= 2, "the input has ", input.dim(), " axes");
  for (const char* name : {"weight", "bias", "running_mean", "running_var"})
    check_elements(call.tensor(name), input.size(1), name);
  const bool trains = call.has("training") ? call.flag("training") : false;
  TORCH_CHECK(trains || (call.tensor("running_mean").defined() && call.tensor("running_var").defined()),
              "without training it takes running_mean and running_var");
}

// In training only, whatever the statistics.
void check_batch_statistics(Call& call) {
  const Tensor input = call.tensor("input");
  TORCH_CHECK(input.dim() >= 2, "the input has ", input.dim(), " axes");
  for (const char* name : {"weight", "bias", "running_mean", "running_var"})
    check_elements(call.tensor(name), input.size(1), name);
}

void check_weight_norm(Call& call) {
  const Tensor v = call.tensor("v");
  const std::int64_t dim = call.integer("dim");
  TORCH_CHECK(v.dim() > 0 && (dim == 0 || dim == v.dim() - 1), "`dim` is ", dim, " of ", v.dim());
  TORCH_CHECK(v.scalar_type() == call.tensor("g").scalar_type(), "`g` and `v` differ in dtype");
  check_elements(call.tensor("g"), v.size(dim), "g");
  call.make_contiguous("v");
  call.make_contiguous("g");
}

void check_layer_norm_gradient(Call& call) {
  const Tensor input = call.tensor("input");
  const std::vector<std::int64_t> shape = call.integers("normalized_shape");
  TORCH_CHECK(!shape.empty() && static_cast<std::int64_t>(shape.size()) <= input.dim() &&
                  input.sizes().slice(static_cast<std::size_t>(input.dim()) - shape.size()) ==
                      at::IntArrayRef(shape),
              "the input does not end in normalized_shape");
  const std::int64_t inner = c10::multiply_integers(shape);
  check_shape(call.tensor("grad_out"), input.sizes(), "grad_out");
  const std::int64_t outer = inner == 0 ? 0 : input.numel() / inner;
  for (const char* name : {"mean", "rstd"})
    check_elements(call.tensor(name), outer, name);
  for (const char* name : {"weight", "bias"})
    check_elements(call.tensor(name), inner, name);
}

// ---- attention

void check_attention(Call& call) {
  const Tensor query = call.tensor("query"), key = call.tensor("key"), value = call.tensor("value");
  TORCH_CHECK(query.dim() == 4 && key.dim() == 4 && value.dim() == 4,
              "query, key and value must have 4 axes");
  TORCH_CHECK(key.sizes() == value.sizes(), "key has shape ", key.sizes(), ", value ", value.sizes());
  // Several heads of the query may share one of the key (grouped-query attention).
  const bool heads_fit = key.size(1) > 0 && query.size(1) % key.size(1) == 0;
  TORCH_CHECK(key.size(0) == query.size(0) && heads_fit && key.size(3) == query.size(3), "query has shape ",
              query.sizes(), ", key ", key.sizes());
  TORCH_CHECK(query.numel() > 0 && key.numel() > 0, "query and key must have elements");
  const Tensor mask = call.tensor("attn_mask");
  if (!mask.defined()) return;
  const std::array<std::int64_t, 4> whole = {query.size(0), query.size(1), query.size(2), key.size(2)};
  TORCH_CHECK(mask.dim() == 2 || mask.dim() == 4, "the mask has ", mask.dim(), " axes");
  for (std::int64_t i = 1; i <= mask.dim(); ++i)
    TORCH_CHECK(mask.size(-i) == 1 || mask.size(-i) == whole.at(static_cast<std::size_t>(4 - i)),
                "the mask has shape ", mask.sizes(), ", ", at::IntArrayRef(whole), " is needed");
}

void check_heads(Call& call) {
  const char* name = call.has("num_head") ? "num_head" : "num_heads";
  const std::int64_t heads = call.integer(name), width = call.integer("embed_dim");
  TORCH_CHECK(heads > 0 && width > 0 && width % heads == 0, "`", name, "` is ", heads, ", embed_dim ", width);
}

void check_rescaled_qkv(Call& call) {
  const Tensor qkv = call.tensor("qkv"), bias = call.tensor("qkv_bias");
  const std::int64_t heads = call.integer("num_heads");
  TORCH_CHECK(bias.dim() == 1 && bias.size(0) > 0 && heads > 0 && bias.size(0) % (3 * heads) == 0,
              "qkv_bias does not fit ", heads, " heads");
  if (qkv.is_nested()) {
    const Tensor sizes = qkv._nested_tensor_size();
    TORCH_CHECK(sizes.dim() == 2 && sizes.size(1) == 2 &&
                    sizes.select(1, 1).eq(bias.size(0)).all().item().toBool(),
                "qkv does not fit qkv_bias");
    return;
  }
  TORCH_CHECK(qkv.dim() == 3 && qkv.size(2) == bias.size(0), "qkv has shape ", qkv.sizes(), ", qkv_bias ",
              bias.sizes());
}

// ---- recurrent layers

// One direction of one layer of an LSTM.
void check_mkldnn_rnn(Call& call) {
  constexpr std::int64_t k_lstm = 2, k_gates = 4;
  TORCH_CHECK(call.integer("mode") == k_lstm, "only LSTMs are computed so");
  TORCH_CHECK(call.integers("batch_sizes").empty(), "packed sequences are not");
  const Tensor input = call.tensor("input");
  const std::int64_t hidden = call.integer("hidden_size");
  TORCH_CHECK(input.dim() == 3 && input.numel() > 0 && hidden > 0 && hidden < (std::int64_t{1} << 32),
              "the input must have 3 axes and elements, hidden_size is ", hidden);
  check_shape(call.tensor("weight0"), {k_gates * hidden, input.size(2)}, "weight0");
  check_shape(call.tensor("weight1"), {k_gates * hidden, hidden}, "weight1");
  if (call.flag("has_biases"))
    for (const char* name : {"weight2", "weight3"})
      check_shape(call.tensor(name), {k_gates * hidden}, name);
  for (const char* name : {"hx_", "cx_"})
    check_elements(call.tensor(name), input.size(1) * hidden, name);
  for (const char* name : {"input", "weight0", "weight1", "weight2", "weight3", "hx_", "cx_"}) {
    TORCH_CHECK(call.tensor(name).scalar_type() == input.scalar_type(), "`", name, "` differs in dtype");
    call.make_contiguous(name);
  }
}

// How many sequences have a step at each time: at least one, and never more than the time before.
void check_packed(Call& call) {
  const Tensor sizes = call.tensor("batch_sizes"), data = call.tensor("data");
  TORCH_CHECK(sizes.dim() == 1 && sizes.numel() > 0 && sizes.scalar_type() == at::kLong && sizes.is_cpu() &&
                  data.dim() > 0,
              "batch_sizes must be one axis of integers on the CPU");
  call.make_contiguous("batch_sizes");
  const Tensor in_order = call.tensor("batch_sizes");
  std::int64_t before = std::numeric_limits<std::int64_t>::max(), sum = 0;
  for (std::int64_t i = 0; i < in_order.numel(); ++i) {
    const std::int64_t size = in_order.const_data_ptr<std::int64_t>()[i];
    TORCH_CHECK(size > 0 && size <= before && size <= data.size(0) - sum, "batch_sizes do not fit the data");
    before = size;
    sum += size;
  }
}

// ---- bags of embeddings

void check_bags(Call& call) {
  const Tensor indices = call.tensor("indices"), offsets = call.tensor("offsets");
  if (!offsets.defined() || offsets.numel() == 0) return;
  TORCH_CHECK(offsets.dim() == 1 && at::isIntegralType(offsets.scalar_type(), false),
              "offsets must be one axis of integers");
  const Tensor wide = offsets.to(at::kLong);
  const bool in_order = wide.numel() < 2 || (wide.slice(0, 1) >= wide.slice(0, 0, -1)).all().item().toBool();
  TORCH_CHECK(in_order && wide[0].item().toLong() >= 0 && wide[-1].item().toLong() <= indices.numel(),
              "offsets must grow from 0 to at most ", indices.numel());
}

// Rows of quantized numbers, with scale and bias behind them: f32 each for 8 bits, else f16.
void check_quantized_rows(Call& call) {
  const Tensor weight = call.tensor("weight");
  TORCH_CHECK(weight.dim() >= 2 && weight.scalar_type() == at::kByte, "the weight must be bytes in 2 axes");
}

void check_quantized_bags(Call& call) {
  check_bags(call);
  if (call.has("weight") && call.tensor("weight").defined()) check_quantized_rows(call);
}

template<std::int64_t Tail>
void check_unpacked_rows(Call& call) {
  const Tensor weight = call.tensor("weight");
  TORCH_CHECK(weight.dim() >= 1 && weight.size(-1) >= Tail, "the weight's rows are shorter than ", Tail,
              " bytes");
  call.make_contiguous("weight");
}

// ---- transforms

void check_axes(const Tensor& self, const std::vector<std::int64_t>& dims) {
  for (const std::int64_t dim : dims)
    TORCH_CHECK(dim >= -self.dim() && dim < self.dim(), "there is no axis ", dim, " of ", self.dim());
}

void check_fft(Call& call) {
  check_axes(call.tensor("self"), call.integers("dim"));
}

void check_real_fft(Call& call) {
  check_fft(call);
  const std::vector<std::int64_t> dims = call.integers("dim");
  const std::int64_t last = call.integer("last_dim_size");
  TORCH_CHECK(!dims.empty() && last > 0 && call.tensor("self").size(dims.back()) >= last / 2 + 1,
              "the last axis has ", dims.empty() ? 0 : call.tensor("self").size(dims.back()),
              " elements, too few for ", last);
}

// ---- images

// The kernel goes by the scales, not by the sizes, where it is given both.
void check_resized(Call& call) {
  const Tensor self = call.tensor("self");
  const std::vector<std::int64_t> size = call.integers("output_size");
  TORCH_CHECK(self.dim() == 4 && size.size() == 2, "the input must have 4 axes, output_size 2");
  for (const auto& [name, axis] : {std::pair("scales_h", 0), std::pair("scales_w", 1)}) {
    const std::optional<double> scale = call.number(name);
    if (!scale) continue;
    const double in = static_cast<double>(self.size(axis + 2)),
                 out = static_cast<double>(size[static_cast<std::size_t>(axis)]);
    TORCH_CHECK(std::isfinite(*scale) && *scale > 0 && std::abs(in * *scale - out) <= 1, "`", name, "` is ",
                *scale, ", which does not make ", out, " of ", in);
  }
}

// ---- weights in 4 bits

void check_int4_product(Call& call) {
  const Tensor self = call.tensor("self"), weight = call.tensor("mat2"),
               scales = call.tensor("qScaleAndZeros");
  const std::int64_t group = call.integer("qGroupSize");
  TORCH_CHECK(self.dim() == 2 && weight.dim() == 2 && group > 0 && self.size(1) % group == 0 &&
                  weight.size(1) * 2 == self.size(1),
              "the weight does not fit the input in groups of ", group);
  check_shape(scales, {self.size(1) / group, weight.size(0), 2}, "qScaleAndZeros");
  TORCH_CHECK(scales.scalar_type() == self.scalar_type(), "qScaleAndZeros differs in dtype");
  call.make_contiguous("qScaleAndZeros");
}

// ---- solvers

// LAPACK is not asked about nothing.
void check_least_squares(Call& call) {
  TORCH_CHECK(call.tensor("self").numel() > 0 && call.tensor("b").numel() > 0,
              "self and b must have elements");
}

// ---- the table

struct Row {
  const char* name; // with its overload; the one that writes into given tensors is checked, too
  void (*check)(Call& call);
};

constexpr auto k_rows = std::to_array<Row>({
    {"aten::_batch_norm_no_update", check_batch_norm},
    {"aten::_batch_norm_with_update", check_batch_statistics},
    {"aten::_batch_norm_with_update_functional", check_batch_statistics},
    {"aten::_embedding_bag", check_bags},
    {"aten::_embedding_bag_forward_only", check_bags},
    {"aten::_fft_c2c", check_fft},
    {"aten::_fft_c2r", check_real_fft},
    {"aten::_fft_r2c", check_fft},
    {"aten::_native_batch_norm_legit", check_batch_norm},
    {"aten::_native_batch_norm_legit.no_stats", check_batch_norm},
    {"aten::_native_batch_norm_legit_functional", check_batch_norm},
    {"aten::_native_batch_norm_legit_no_training", check_batch_norm},
    {"aten::_native_multi_head_attention", check_heads},
    {"aten::_pad_packed_sequence", check_packed},
    {"aten::_scaled_dot_product_flash_attention_for_cpu", check_attention},
    {"aten::_transform_bias_rescale_qkv", check_rescaled_qkv},
    {"aten::_transformer_encoder_layer_fwd", check_heads},
    {"aten::_upsample_bicubic2d_aa", check_resized},
    {"aten::_upsample_bilinear2d_aa", check_resized},
    {"aten::_weight_int4pack_mm_for_cpu", check_int4_product},
    {"aten::_weight_norm_interface", check_weight_norm},
    {"aten::batch_norm_update_stats", check_batch_statistics},
    {"aten::linalg_lstsq", check_least_squares},
    {"aten::mkldnn_rnn_layer", check_mkldnn_rnn},
    {"aten::native_batch_norm", check_batch_norm},
    {"aten::native_layer_norm_backward", check_layer_norm_gradient},
    {"quantized::embedding_bag_2bit_rowwise_offsets", check_quantized_bags},
    {"quantized::embedding_bag_2bit_unpack", check_unpacked_rows<4>},
    {"quantized::embedding_bag_4bit_rowwise_offsets", check_quantized_bags},
    {"quantized::embedding_bag_4bit_unpack", check_unpacked_rows<4>},
    {"quantized::embedding_bag_byte_rowwise_offsets", check_quantized_bags},
    {"quantized::embedding_bag_byte_unpack", check_unpacked_rows<8>},
});

void run_checked(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack,
                 void (*check)(Call& call)) {
  Call call(op.schema(), *stack);
  check(call);
  op.redispatchBoxed(keys & c10::DispatchKeySet(c10::DispatchKeySet::FULL_AFTER, ArgumentChecks::k_key),
                     stack);
}

template<std::size_t I>
void kernel(const c10::OperatorHandle& op, c10::DispatchKeySet keys, torch::jit::Stack* stack) {
  run_checked(op, keys, stack, k_rows[I].check);
}

template<std::size_t I>
void implement(torch::Library& library, std::string_view space) {
  const std::string name = k_rows[I].name;
  if (name.substr(0, name.find(':')) != space) return;
  const std::size_t dot = name.find('.');
  const std::string base = name.substr(0, dot),
                    overload = dot == std::string::npos ? "" : name.substr(dot + 1);
  for (const std::string& each : {overload, overload.empty() ? std::string("out") : overload + "_out"})
    if (c10::Dispatcher::singleton().findSchema({base, each}))
      library.impl((base + (each.empty() ? "" : "." + each)).c_str(),
                   torch::CppFunction::makeFromBoxedFunction<&kernel<I>>());
}

template<std::size_t... I>
void implement_all(torch::Library& library, std::string_view space, std::index_sequence<I...>) {
  (implement<I>(library, space), ...);
}

} // namespace

ArgumentChecks::ArgumentChecks()
    : m_fallthrough(torch::Library::IMPL, "_", k_key, __FILE__, __LINE__),
      m_aten(torch::Library::IMPL, "aten", k_key, __FILE__, __LINE__),
      m_quantized(torch::Library::IMPL, "quantized", k_key, __FILE__, __LINE__) {
  m_fallthrough.fallback(torch::CppFunction::makeFallthrough());
  implement_all(m_aten, "aten", std::make_index_sequence<k_rows.size()>());
  implement_all(m_quantized, "quantized", std::make_index_sequence<k_rows.size()>());
}

} // namespace mrun::torch_engine
