#include "runtime/engines/torch/shared_memory.h"

#include <algorithm>
#include <array>

#include <ATen/functorch/BatchedTensorImpl.h>

namespace mrun::torch_engine {
namespace {

// Operators that may give back an argument or a view of it, with a schema that does not say so
// (tests/torch/aliases.py looks for them). `einsum` is one of a single operand only; with more it multiplies.
constexpr std::array k_give_back = std::to_array<std::string_view>({
    "aten::_cast_Byte",
    "aten::_cast_Char",
    "aten::_cast_Double",
    "aten::_cast_Float",
    "aten::_cast_Half",
    "aten::_cast_Int",
    "aten::_cast_Long",
    "aten::_cast_Short",
    "aten::_pack_sequence",
    "aten::_remove_batch_dim",
    "aten::_to_cpu",
    "aten::_unsafe_view",
    "aten::alpha_dropout",
    "aten::atleast_1d",
    "aten::atleast_2d",
    "aten::atleast_3d",
    "aten::broadcast_tensors",
    "aten::cartesian_prod",
    "aten::chain_matmul",
    "aten::conj_physical",
    "aten::data",
    "aten::dequantize",
    "aten::dropout",
    "aten::einsum",
    "aten::feature_alpha_dropout",
    "aten::feature_dropout",
    "aten::flatten_dense_tensors",
    "aten::lift",
    "aten::meshgrid",
    "aten::set",
    "aten::sparse_coo_tensor",
    "aten::sparse_compressed_tensor",
    "aten::sparse_csr_tensor",
    "aten::sum_to_size",
    "aten::to_dense",
    "aten::to_sparse",
    "aten::type_as",
    "aten::unflatten_dense_tensors",
    "aten::unsafe_chunk",
    "aten::unsafe_split",
    "aten::unsafe_split_with_sizes",
});

// Operators that write into an argument, with a schema that does not say so.
struct SilentWriter {
  std::string_view name;
  std::string_view argument;
};
constexpr std::array k_silent_writers = std::to_array<SilentWriter>({
    {"aten::_saturate_weight_to_fp16", "weight"},
    {"aten::fbgemm_pack_gemm_matrix_fp16", "input"},
    {"quantized::linear_dynamic_fp16_unpacked_weight", "weight"},
    {"quantized::linear_prepack_fp16", "W"},
    {"quantized::linear_prepack_fp16_legacy", "W"},
});

bool writes_silently(const c10::FunctionSchema& schema, const c10::Argument& argument) {
  return std::ranges::any_of(k_silent_writers, [&](const SilentWriter& writer) {
    return writer.name == schema.name() && writer.argument == argument.name();
  });
}

constexpr std::array k_writes_statistics = std::to_array<std::string_view>({
    "aten::batch_norm_gather_stats",
    "aten::batch_norm_gather_stats_with_counts",
    "aten::batch_norm_update_stats",
});

// What batch and instance norm update while they train; the schemas of the older ones don't say so.
bool is_statistic(const c10::Argument& argument) {
  return argument.name() == "running_mean" || argument.name() == "running_var";
}

// Whether the operator is told to train; the first of these names that it has says so.
bool may_train(const c10::FunctionSchema& schema, const std::vector<Operand>& operands) {
  for (const char* flag : {"training", "train", "use_input_stats"}) {
    const auto index = schema.argumentIndexWithName(flag);
    if (!index) continue;
    const Operand& operand = operands[static_cast<std::size_t>(*index)];
    return operand.kind != Operand::Kind::constant || !operand.constant.isBool() || operand.constant.toBool();
  }
  return false;
}

bool is_in_table(const c10::FunctionSchema& schema) {
  return std::ranges::find(k_give_back, schema.name()) != k_give_back.end();
}

template<class Visit>
void for_each_tensor(const c10::IValue& value, Visit visit) {
  if (value.isTensor()) {
    visit(value.toTensor());
  } else if (value.isList()) {
    for (const c10::IValue& element : value.toListRef())
      if (element.isTensor()) visit(element.toTensor());
  }
}

} // namespace

bool is_written_silently(const c10::FunctionSchema& schema, const c10::Argument& argument, bool is_training) {
  if (writes_silently(schema, argument)) return true;
  const bool always = std::ranges::find(k_writes_statistics, schema.name()) != k_writes_statistics.end();
  return (always || is_training) && is_statistic(argument);
}

std::vector<std::size_t> written_operands(const c10::FunctionSchema& schema,
                                          const std::vector<Operand>& operands) {
  std::vector<std::size_t> written;
  const bool training = may_train(schema, operands);
  for (std::size_t i = 0; i < operands.size(); ++i) {
    const c10::Argument& argument = schema.arguments()[i];
    const bool is_said = argument.alias_info() != nullptr && argument.alias_info()->isWrite();
    if (is_said || is_written_silently(schema, argument, training)) written.push_back(i);
  }
  return written;
}

bool is_known_to_give_back(const c10::FunctionSchema& schema, std::size_t index) {
  return is_in_table(schema) && (schema.name() != "aten::type_as" || index == 0);
}

bool may_give_back(const c10::FunctionSchema& schema, std::size_t index,
                   const std::vector<Operand>& operands) {
  if (schema.arguments()[index].alias_info() != nullptr) return true;
  if (schema.name() == "aten::einsum" &&
      std::ranges::any_of(operands, [](const Operand& operand) { return operand.elements.size() > 1; }))
    return false;
  return is_known_to_give_back(schema, index);
}

const void* memory_of(const at::Tensor& tensor) {
  if (!tensor.defined()) return nullptr;
  if (const auto* batched = at::functorch::maybeGetBatchedImpl(tensor)) return memory_of(batched->value());
  switch (tensor.layout()) {
  case c10::kSparse:
    return memory_of(tensor._values());
  case c10::kSparseCsr:
  case c10::kSparseCsc:
  case c10::kSparseBsr:
  case c10::kSparseBsc:
    return memory_of(tensor.values());
  default:
    return tensor.has_storage() ? tensor.storage().data() : nullptr;
  }
}

void SharedMemory::add(const c10::IValue& value) {
  for_each_tensor(value, [&](const at::Tensor& tensor) {
    if (const void* memory = memory_of(tensor)) m_memory.insert(memory);
  });
}

const void* SharedMemory::find(const c10::IValue& value) const {
  const void* found = nullptr;
  for_each_tensor(value, [&](const at::Tensor& tensor) {
    const void* memory = memory_of(tensor);
    if (found == nullptr && m_memory.contains(memory)) found = memory;
  });
  return found;
}

} // namespace mrun::torch_engine
