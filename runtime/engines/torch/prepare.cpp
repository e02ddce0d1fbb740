#include "runtime/engines/torch/prepare.h"

#include <algorithm>
#include <array>

#include <ATen/core/enum_tag.h>

namespace mrun::torch_engine {
namespace {

constexpr std::size_t k_max_folded_bytes = 1 << 20;

std::size_t index_of(ValueId value) {
  return static_cast<std::size_t>(value);
}

template<class Visit>
void for_each_value(const Operand& operand, Visit visit) {
  if (operand.value != k_no_value) visit(operand.value);
  for (const Element& element : operand.elements)
    if (element.value != k_no_value) visit(element.value);
}

template<class Visit>
void for_each_read(const Instruction& instruction, Visit visit) {
  for (const Operand& operand : instruction.operands)
    for_each_value(operand, visit);
  for (const auto& group : instruction.groups)
    for (const Operand& operand : group)
      for_each_value(operand, visit);
}

class Folder {
 public:
  Folder(const mrun_host& host, CompiledGraph& graph, std::vector<c10::IValue>& initial)
      : m_graph(graph),
        m_initial(initial),
        m_context{host, 0} {
    for (const c10::IValue& value : initial)
      m_known.push_back(!value.isNone());
  }

  void run() {
    for (Instruction& instruction : m_graph.instructions)
      instruction.folded = may_fold(instruction) && fold(instruction);
    if (!m_graph.writes) std::erase_if(m_graph.instructions, &Instruction::folded);
    drop_unread();
  }

 private:
  bool is_known(const Instruction& instruction) const {
    bool known = true;
    for_each_read(instruction, [&](ValueId value) {
      known = known && m_known[index_of(value)] && !m_graph.written[index_of(value)];
    });
    return known;
  }

  bool may_fold(const Instruction& instruction) const {
    const auto written = [&](ValueId value) {
      return value != k_no_value && m_graph.written[index_of(value)];
    };
    if (!instruction.graphs.empty() || !is_known(instruction)) return false;
    if (std::ranges::any_of(instruction.outputs, written)) return false;
    if (instruction.kind == Instruction::Kind::sym) return !instruction.in_order;
    return instruction.kind == Instruction::Kind::op && !instruction.outputs.empty() &&
           !instruction.op->schema().is_mutable() && instruction.writes.empty() &&
           !instruction.op->hasTag(at::Tag::nondeterministic_seeded) &&
           !instruction.op->hasTag(at::Tag::nondeterministic_bitwise);
  }

  bool is_view(const at::Tensor& tensor, const Instruction& instruction) const {
    bool view = false;
    for_each_read(instruction, [&](ValueId value) {
      const c10::IValue& read = m_initial[index_of(value)];
      view = view || (read.isTensor() && read.toTensor().defined() && tensor.is_alias_of(read.toTensor()));
    });
    return view;
  }

  bool is_small(const c10::IValue& value, const Instruction& instruction) const {
    if (!value.isTensor() || !value.toTensor().defined()) return true;
    const at::Tensor& tensor = value.toTensor();
    return tensor.layout() == c10::kStrided &&
           (tensor.nbytes() <= k_max_folded_bytes || is_view(tensor, instruction));
  }

  bool fold(const Instruction& instruction) {
    const bool done = run_instruction_once(instruction, m_initial, m_context).has_value();
    const bool small = done && std::ranges::all_of(instruction.outputs, [&](ValueId value) {
                         return value == k_no_value || is_small(m_initial[index_of(value)], instruction);
                       });
    for (const ValueId value : instruction.outputs) {
      if (value == k_no_value) continue;
      if (small)
        m_known[index_of(value)] = true;
      else
        m_initial[index_of(value)] = c10::IValue();
    }
    return small;
  }

  // What only folded instructions read is no longer needed.
  void drop_unread() {
    std::vector<bool> read(m_graph.value_count, false);
    const auto mark = [&](ValueId value) { read[index_of(value)] = true; };
    for (const Instruction& instruction : m_graph.instructions)
      if (!instruction.folded) for_each_read(instruction, mark);
    for (const Operand& output : m_graph.outputs)
      for_each_value(output, mark);
    for (std::size_t i = 0; i < m_initial.size(); ++i)
      if (!read[i]) m_initial[i] = c10::IValue();
  }

  CompiledGraph& m_graph;
  std::vector<c10::IValue>& m_initial;
  std::vector<bool> m_known; // by ValueId
  RunContext m_context;
};

// torch/csrc/…/autocast_mode.h, AT_FORALL_LOWER_PRECISION_FP of the CPU: those that take weights.
bool runs_in_lower_precision(const Instruction& instruction) {
  constexpr std::array<std::string_view, 14> k_names = {"aten::linear",
                                                        "aten::conv1d",
                                                        "aten::conv2d",
                                                        "aten::conv3d",
                                                        "aten::conv_transpose1d",
                                                        "aten::conv_transpose2d",
                                                        "aten::conv_transpose3d",
                                                        "aten::mm",
                                                        "aten::addmm",
                                                        "aten::matmul",
                                                        "aten::bmm",
                                                        "aten::baddbmm",
                                                        "aten::addbmm",
                                                        "aten::conv_tbc"};
  return instruction.kind == Instruction::Kind::op &&
         std::ranges::find(k_names, std::string_view(instruction.op->schema().name())) != k_names.end();
}

} // namespace

void fold_constants(const mrun_host& host, CompiledGraph& graph, std::vector<c10::IValue>& initial) {
  Folder(host, graph, initial).run();
}

void cast_weights(const CompiledGraph& graph, std::vector<c10::IValue>& initial, c10::ScalarType type) {
  std::vector<bool> only_lower(graph.value_count, true);
  const auto forbid = [&](ValueId value) { only_lower[index_of(value)] = false; };
  for (const Instruction& instruction : graph.instructions)
    if (!runs_in_lower_precision(instruction)) for_each_read(instruction, forbid);
  for (const Operand& output : graph.outputs)
    for_each_value(output, forbid);
  for (std::size_t i = 0; i < initial.size(); ++i) {
    const c10::IValue& value = initial[i];
    if (!only_lower[i] || graph.written[i] || !value.isTensor() || !value.toTensor().defined()) continue;
    if (value.toTensor().scalar_type() == c10::ScalarType::Float) initial[i] = value.toTensor().to(type);
  }
}

} // namespace mrun::torch_engine
