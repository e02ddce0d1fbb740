#include "runtime/engines/torch/compile.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <unordered_map>

#include <fmt/format.h>

#include "common/text.h"
#include "runtime/engines/torch/allowed.h"
#include "runtime/engines/torch/graph_functions.h"
#include "runtime/engines/torch/kernels.h"
#include "runtime/engines/torch/operands.h"
#include "runtime/engines/torch/shared_memory.h"
#include "runtime/engines/torch/vmap.h"

namespace mrun::torch_engine {
namespace {

// In the order of k_higher_order.
constexpr std::array<Instruction::Kind, k_higher_order.size()> k_higher_kinds = {
    Instruction::Kind::cond, Instruction::Kind::while_loop, Instruction::Kind::map,
    Instruction::Kind::scan, Instruction::Kind::inlined,    Instruction::Kind::autocast};

class Compiler {
 public:
  Compiler(const Graph& graph, const CompileOptions& options)
      : m_graph(graph),
        m_options(options),
        m_resolved(graph.value_names.size()),
        m_context{m_resolved, options.device} {
    std::iota(m_resolved.begin(), m_resolved.end(), ValueId{0});
  }
  Result<std::unique_ptr<CompiledGraph>> compile();

 private:
  void find_operators();
  void find_live_nodes();
  bool skip(const Node& node); // drops a node that does nothing in a prediction
  Result<Instruction> instruction(const Node& node, std::size_t index);
  Result<void> op_instruction(const Node& node, Instruction& result);
  Result<void> sym_instruction(const Node& node, Instruction& result);
  Result<void> higher_instruction(const Node& node, const HigherOrder& higher, Instruction& result);
  void set_outputs(const Node& node, Instruction& result);
  void find_releases();
  void find_written();

  const Graph& m_graph;
  const CompileOptions& m_options;
  Resolved m_resolved;
  OperandContext m_context;
  std::vector<std::optional<c10::OperatorHandle>> m_ops; // by node
  std::vector<bool> m_live;                              // by node
  std::unique_ptr<CompiledGraph> m_result = std::make_unique<CompiledGraph>();
};

std::size_t index_of(ValueId value) {
  return static_cast<std::size_t>(value);
}

template<class Visit>
void for_each_value(const Argument& argument, Visit visit) {
  if (argument.value != k_no_value) visit(argument.value);
  for (const Element& element : argument.elements)
    if (element.value != k_no_value) visit(element.value);
}

bool is_check(std::string_view target) {
  return target == "torch.ops.aten._assert_tensor_metadata.default";
}

void Compiler::find_operators() {
  std::unordered_map<std::string_view, std::optional<c10::OperatorHandle>> known;
  for (const Node& node : m_graph.nodes) {
    auto found = known.find(node.target);
    if (found == known.end()) {
      const std::optional<OperatorTarget> name = operator_of(node.target);
      found = known
                  .emplace(node.target, name ? c10::Dispatcher::singleton().findSchema(
                                                   c10::OperatorName(name->name, name->overload))
                                             : std::nullopt)
                  .first;
    }
    m_ops.push_back(found->second);
  }
}

// Backwards from the outputs: a node lives when something reads it, when it writes into a value, or when it
// is a check (it has no outputs).
void Compiler::find_live_nodes() {
  std::vector<bool> read(m_graph.value_names.size(), false);
  const auto mark = [&](ValueId value) { read[index_of(value)] = true; };
  for (const Argument& output : m_graph.outputs)
    for_each_value(output, mark);
  m_live.assign(m_graph.nodes.size(), false);
  for (std::size_t i = m_graph.nodes.size(); i-- > 0;) {
    const Node& node = m_graph.nodes[i];
    bool live = node.outputs.empty() || node.target.starts_with(k_higher_prefix) ||
                is_vmap_name(node.target) || (m_ops[i] && m_ops[i]->schema().is_mutable());
    for (const Argument& output : node.outputs)
      for_each_value(output, [&](ValueId value) { live = live || read[index_of(value)]; });
    m_live[i] = live && !is_check(node.target);
    if (!m_live[i]) continue;
    for (const NamedArgument& input : node.inputs)
      for_each_value(input.argument, mark);
  }
}

// Without gradients the same tensor comes out: what torch.export puts behind each constant.
bool is_detach(const Node& node) {
  return (node.target == "torch.ops.aten.detach_.default" ||
          node.target == "torch.ops.aten.detach.default") &&
         node.inputs.size() == 1 && node.inputs[0].argument.kind == ArgumentKind::tensor &&
         node.outputs.size() == 1 && node.outputs[0].value != k_no_value;
}

bool Compiler::skip(const Node& node) {
  if (is_detach(node)) {
    m_resolved[index_of(node.outputs[0].value)] = m_resolved[index_of(node.inputs[0].argument.value)];
    return true;
  }
  constexpr std::array<std::string_view, 5> k_dropouts = {
      "torch.ops.aten.dropout.default", "torch.ops.aten.feature_dropout.default",
      "torch.ops.aten.alpha_dropout.default", "torch.ops.aten.feature_alpha_dropout.default",
      "torch.ops.aten.dropout_.default"};
  if (std::ranges::find(k_dropouts, node.target) == k_dropouts.end()) return false;
  if (node.inputs.size() != 3 || node.outputs.size() != 1 || node.outputs[0].value == k_no_value)
    return false;
  const Argument& input = node.inputs[0].argument;
  const Argument& train = node.inputs[2].argument;
  if (train.kind != ArgumentKind::boolean || train.integer != 0 || input.kind != ArgumentKind::tensor)
    return false;
  m_resolved[index_of(node.outputs[0].value)] = m_resolved[index_of(input.value)];
  return true;
}

void Compiler::set_outputs(const Node& node, Instruction& result) {
  for (const Argument& output : node.outputs) {
    const bool is_list = output.kind == ArgumentKind::tensors ||
                         output.kind == ArgumentKind::optional_tensors ||
                         output.kind == ArgumentKind::sym_ints || !output.elements.empty();
    result.returns.push_back(is_list ? std::optional(output.elements.size()) : std::nullopt);
    if (!is_list) {
      result.outputs.push_back(output.value);
      continue;
    }
    result.spreads_list = true;
    for (const Element& element : output.elements)
      result.outputs.push_back(element.value);
  }
}

Result<void> Compiler::op_instruction(const Node& node, Instruction& result) {
  const c10::FunctionSchema& schema = result.op->schema();
  std::vector<const Argument*> given(schema.arguments().size(), nullptr);
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const std::string& name = node.inputs[i].name;
    const std::optional<int> at =
        name.empty() ? std::optional<int>(static_cast<int>(i)) : schema.argumentIndexWithName(name);
    if (!at || static_cast<std::size_t>(*at) >= given.size())
      return fail(ErrorCode::load_failed,
                  fmt::format("the operator has no argument `{}`", printable(name, 80)));
    given[static_cast<std::size_t>(*at)] = &node.inputs[i].argument;
  }
  // An operator that is given no tensor makes one where it is told to, which is the CPU if nobody says.
  const bool makes_tensor = std::ranges::none_of(node.inputs, [](const NamedArgument& input) {
    return input.argument.kind == ArgumentKind::tensor || input.argument.kind == ArgumentKind::tensors;
  });
  for (std::size_t i = 0; i < given.size(); ++i) {
    const c10::Argument& argument = schema.arguments()[i];
    if (given[i] != nullptr) {
      MRUN_ASSIGN(Operand operand, make_operand(*given[i], argument, m_context));
      result.operands.push_back(std::move(operand));
    } else if (makes_tensor && argument.name() == "device") {
      result.operands.push_back({Operand::Kind::constant, k_no_value, m_options.device, {}});
    } else if (argument.default_value()) {
      result.operands.push_back({Operand::Kind::constant, k_no_value, *argument.default_value(), {}});
    } else if (argument.type()->kind() == c10::TypeKind::OptionalType) {
      result.operands.push_back({});
    } else {
      return fail(ErrorCode::load_failed, fmt::format("argument `{}` is missing", argument.name()));
    }
  }
  result.writes = written_operands(schema, result.operands);
  for (const std::size_t index : result.writes)
    if (result.operands[index].kind == Operand::Kind::constant && result.operands[index].constant.isTensor())
      return fail(ErrorCode::load_failed,
                  fmt::format("the operator writes into argument `{}`, which is a number",
                              schema.arguments()[index].name()));
  if (result.returns.size() > schema.returns().size())
    return fail(ErrorCode::load_failed, fmt::format("the operator gives {} values, not {}",
                                                    schema.returns().size(), result.returns.size()));
  for (std::size_t i = 0; i < result.returns.size(); ++i)
    if (result.returns[i] && schema.returns()[i].type()->kind() != c10::TypeKind::ListType)
      return fail(ErrorCode::load_failed, fmt::format("the operator's result {} is not a list", i));
  return {};
}

Result<void> Compiler::sym_instruction(const Node& node, Instruction& result) {
  for (const NamedArgument& input : node.inputs) {
    MRUN_ASSIGN(std::vector<Operand> operands, make_plain_operands(input.argument, m_context));
    std::ranges::move(operands, std::back_inserter(result.operands));
  }
  if (result.outputs.size() != 1 || result.spreads_list ||
      (result.outputs[0] == k_no_value && !result.in_order))
    return fail(ErrorCode::load_failed, "it must give one value");
  return {};
}

Result<void> Compiler::higher_instruction(const Node& node, const HigherOrder& higher, Instruction& result) {
  result.kind = k_higher_kinds.at(static_cast<std::size_t>(&higher - k_higher_order.data()));
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Argument& argument = node.inputs[i].argument;
    const char expected = i < higher.inputs.size() ? higher.inputs[i] : '*';
    if ((expected == 'g') != (argument.kind == ArgumentKind::graph))
      return fail(ErrorCode::load_failed, fmt::format("its input {} is not what {} takes", i, higher.name));
    if (expected == 'g') {
      MRUN_ASSIGN(std::unique_ptr<CompiledGraph> graph, compile_graph(*argument.graph, m_options));
      result.graphs.push_back(std::move(graph));
      continue;
    }
    if (argument.kind ==
        ArgumentKind::scalar_type) { // of autocast; schema.py's number is looked up when it runs
      result.operands.push_back({Operand::Kind::constant, k_no_value, c10::IValue(argument.integer), {}});
      continue;
    }
    MRUN_ASSIGN(std::vector<Operand> operands, make_plain_operands(argument, m_context));
    if (expected == '*')
      result.groups.push_back(std::move(operands));
    else
      std::ranges::move(operands, std::back_inserter(result.operands));
  }
  const auto graphs = static_cast<std::size_t>(std::ranges::count(higher.inputs, 'g'));
  const auto fixed = static_cast<std::size_t>(std::ranges::count(higher.inputs, 'c'));
  if (result.graphs.size() != graphs || result.operands.size() != fixed)
    return fail(ErrorCode::load_failed, fmt::format("it lacks an input that {} takes", higher.name));
  return {};
}

Result<Instruction> Compiler::instruction(const Node& node, std::size_t index) {
  Instruction result;
  result.name = node.name;
  result.target = node.target;
  result.source = node.source;
  set_outputs(node, result);
  if (node.target.starts_with(k_higher_prefix)) {
    const HigherOrder* found = find_higher_order(node.target);
    if (found == nullptr)
      return fail(ErrorCode::engine_unsupported, "this higher-order operator is not supported");
    MRUN_TRY(higher_instruction(node, *found, result));
  } else if (m_ops[index]) {
    const std::string& name = m_ops[index]->schema().name();
    if (!may_run(name) && (m_options.own_operators == nullptr || !m_options.own_operators->contains(name)))
      return fail(ErrorCode::engine_unsupported, "this operator may not be used by a program");
    result.op = m_ops[index];
    if (!has_kernel(*result.op, m_options.device.is_cuda()))
      return fail(ErrorCode::engine_unsupported,
                  fmt::format("LibTorch has no kernel of this operator for {}", m_options.device.str()),
                  m_options.device.is_cpu()
                      ? "the program was made for a GPU: export it on a CPU, or run it on one"
                      : "");
    MRUN_TRY(op_instruction(node, result));
  } else if ((result.sym = find_sym_function(node.target)) != nullptr) {
    result.kind = Instruction::Kind::sym;
    MRUN_TRY(sym_instruction(node, result));
  } else if ((result.sym = find_vmap_function(node.target)) != nullptr) {
    result.kind = Instruction::Kind::sym;
    result.in_order = true;
    MRUN_TRY(sym_instruction(node, result));
  } else if (node.target.starts_with(k_op_prefix)) {
    return fail(ErrorCode::engine_unsupported, "LibTorch has no such operator",
                "the library that registers it belongs under `options: {operators: […]}` in mrun.yaml");
  } else {
    return fail(ErrorCode::engine_unsupported, "this Python function is not supported in a graph");
  }
  return result;
}

// Each value is freed after the last instruction that reads or defines it, unless the outputs read it.
void Compiler::find_releases() {
  std::vector<bool> needed(m_result->value_count, false);
  for (const Operand& output : m_result->outputs)
    for_each_value(output, [&](ValueId value) { needed[index_of(value)] = true; });
  for (auto instruction = m_result->instructions.rbegin(); instruction != m_result->instructions.rend();
       ++instruction) {
    const auto last_use = [&](ValueId value) {
      if (value == k_no_value || needed[index_of(value)]) return;
      needed[index_of(value)] = true;
      instruction->release.push_back(value);
    };
    for (const Operand& operand : instruction->operands)
      for_each_value(operand, last_use);
    for (const auto& group : instruction->groups)
      for (const Operand& operand : group)
        for_each_value(operand, last_use);
    std::ranges::for_each(instruction->outputs, last_use);
  }
}

// Values whose memory an operator may write. Two values may share memory when an operator is known to give
// back an argument (shared_memory.h); a sub-graph is assumed to alias everything it is given.
void Compiler::find_written() {
  std::vector<ValueId> parent(m_result->value_count);
  std::iota(parent.begin(), parent.end(), ValueId{0});
  const auto root = [&](ValueId value) {
    while (parent[index_of(value)] != value)
      value = parent[index_of(value)] = parent[index_of(parent[index_of(value)])];
    return value;
  };
  std::vector<ValueId> targets;
  const auto join_all = [&](const std::vector<ValueId>& values) {
    for (const ValueId value : values)
      parent[index_of(root(value))] = root(values.front());
  };
  for (const Instruction& instruction : m_result->instructions) {
    std::vector<ValueId> shared;
    const auto share = [&](ValueId value) { shared.push_back(value); };
    if (instruction.kind == Instruction::Kind::sym) continue;
    if (instruction.kind == Instruction::Kind::op) {
      for (std::size_t i = 0; i < instruction.operands.size(); ++i)
        if (may_give_back(instruction.op->schema(), i, instruction.operands))
          for_each_value(instruction.operands[i], share);
      for (const std::size_t index : instruction.writes)
        for_each_value(instruction.operands[index], [&](ValueId value) { targets.push_back(value); });
      m_result->writes = m_result->writes || !instruction.writes.empty();
    } else {
      const bool writes = std::ranges::any_of(instruction.graphs, [](const auto& graph) {
        return std::ranges::find(graph->written, true) != graph->written.end();
      });
      m_result->writes = m_result->writes || std::ranges::any_of(instruction.graphs, &CompiledGraph::writes);
      for (const auto& group : instruction.groups)
        for (const Operand& operand : group) {
          for_each_value(operand, share);
          if (writes) for_each_value(operand, [&](ValueId value) { targets.push_back(value); });
        }
    }
    if (shared.empty()) continue;
    for (const ValueId output : instruction.outputs)
      if (output != k_no_value) shared.push_back(output);
    join_all(shared);
  }
  std::vector<bool> written_roots(m_result->value_count, false);
  for (const ValueId value : targets)
    written_roots[index_of(root(value))] = true;
  m_result->written.resize(m_result->value_count);
  for (std::size_t i = 0; i < m_result->value_count; ++i)
    m_result->written[i] = written_roots[index_of(root(static_cast<ValueId>(i)))];
}

Result<std::unique_ptr<CompiledGraph>> Compiler::compile() {
  m_result->value_count = m_graph.value_names.size();
  for (const Argument& input : m_graph.inputs)
    m_result->inputs.push_back(input.value);
  find_operators();
  find_live_nodes();
  for (std::size_t i = 0; i < m_graph.nodes.size(); ++i) {
    const Node& node = m_graph.nodes[i];
    if (!m_live[i] || skip(node)) continue;
    Result<Instruction> made = instruction(node, i);
    if (!made) return tl::unexpected(at_node(std::move(made).error(), node.name, node.target, node.source));
    m_result->instructions.push_back(std::move(*made));
  }
  for (const Argument& output : m_graph.outputs) {
    MRUN_ASSIGN(std::vector<Operand> operands, make_plain_operands(output, m_context));
    std::ranges::move(operands, std::back_inserter(m_result->outputs));
  }
  find_releases();
  find_written();
  return std::move(m_result);
}

} // namespace

Result<std::unique_ptr<CompiledGraph>> compile_graph(const Graph& graph, const CompileOptions& options) {
  return Compiler(graph, options).compile();
}

Error at_node(Error error, const std::string& name, const std::string& target, const std::string& source) {
  const std::string where = fmt::format("node `{}` ({})", printable(name, 80), printable(target, 120));
  if (error.message.starts_with("node `")) return error; // an inner graph's node is nearer
  error.message = fmt::format("{}: {}", where, error.message);
  if (!source.empty()) error.notes.push_back("at " + source);
  return error;
}

} // namespace mrun::torch_engine
