// An exported program as the torch engine compiles it, and the same with operators and arguments exchanged:
// it is refused, or every value that an instruction reads, gives or frees lies in its graph, and every
// constant has the type that the operator asks for.
#include <algorithm>
#include <set>

#include "runtime/engines/torch/compile.h"
#include "runtime/engines/torch/operands.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;
using namespace mrun::torch_engine;

namespace {

constexpr int k_variants = 8; // of each program

// The targets of all operators that a program may use, in an order that is the same everywhere.
const std::vector<std::string>& all_targets() {
  static const std::vector<std::string> targets = [] {
    std::set<std::string> found;
    for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
      const std::size_t colons = name.name.find("::");
      if (colons == std::string::npos || !may_run(name.name)) continue;
      found.insert("torch.ops." + name.name.substr(0, colons) + "." + name.name.substr(colons + 2) + "." +
                   (name.overload_name.empty() ? "default" : name.overload_name));
    }
    return std::vector<std::string>(found.begin(), found.end());
  }();
  return targets;
}

// Numbers that follow from an input's bytes.
class Numbers {
 public:
  explicit Numbers(std::string_view text) {
    for (const char c : text)
      m_state = (m_state ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  }
  std::size_t below(std::size_t count) {
    m_state = m_state * 6364136223846793005 + 1442695040888963407;
    return static_cast<std::size_t>(m_state >> 33) % count;
  }

 private:
  std::uint64_t m_state = 0xcbf29ce484222325;
};

// What stays true of a graph that was parsed: values are defined before they are read.
void change(Graph& graph, Numbers& numbers) {
  const std::size_t at = numbers.below(graph.nodes.size());
  Node& node = graph.nodes[at];
  const Node& earlier = graph.nodes[numbers.below(at + 1)];
  switch (numbers.below(4)) {
  case 0:
    node.target = all_targets()[numbers.below(all_targets().size())];
    break;
  case 1:
    node.target = all_targets()[numbers.below(all_targets().size())];
    for (NamedArgument& input : node.inputs)
      input.name.clear();
    break;
  case 2:
    if (!node.inputs.empty() && !earlier.inputs.empty())
      node.inputs[numbers.below(node.inputs.size())].argument =
          Argument(earlier.inputs[numbers.below(earlier.inputs.size())].argument);
    break;
  default:
    if (!node.inputs.empty())
      node.inputs.erase(node.inputs.begin() + static_cast<std::ptrdiff_t>(numbers.below(node.inputs.size())));
  }
}

class Checker {
 public:
  explicit Checker(const CompiledGraph& graph) : m_graph(graph) {}

  void check() const {
    MRUN_CHECK(m_graph.written.size() == m_graph.value_count);
    std::ranges::for_each(m_graph.inputs, [&](ValueId id) { check_place(id); });
    for (const Instruction& instruction : m_graph.instructions)
      check_instruction(instruction);
    check_all(m_graph.outputs);
  }

 private:
  void check_value(ValueId id) const {
    MRUN_CHECK(id >= 0 && static_cast<std::size_t>(id) < m_graph.value_count);
  }
  void check_place(ValueId id) const {
    if (id != k_no_value) check_value(id);
  }
  void check_all(const std::vector<Operand>& operands) const {
    for (const Operand& operand : operands)
      for_each_value(operand, [&](ValueId id) { check_value(id); });
  }

  void check_instruction(const Instruction& instruction) const {
    check_all(instruction.operands);
    std::ranges::for_each(instruction.groups, [&](const auto& group) { check_all(group); });
    std::ranges::for_each(instruction.outputs, [&](ValueId id) { check_place(id); });
    std::ranges::for_each(instruction.release, [&](ValueId id) { check_value(id); });
    for (const auto& graph : instruction.graphs)
      Checker(*graph).check();
    fuzz::check_shown(instruction.source);
    if (instruction.kind == Instruction::Kind::op) check_operator(instruction);
  }

  static void check_operator(const Instruction& instruction) {
    const auto& wanted = instruction.op->schema().arguments();
    MRUN_CHECK(instruction.operands.size() == wanted.size());
    MRUN_CHECK(instruction.returns.size() <= instruction.op->schema().returns().size());
    for (const std::size_t index : instruction.writes)
      MRUN_CHECK(index < wanted.size());
    for (std::size_t i = 0; i < wanted.size(); ++i)
      if (instruction.operands[i].kind == Operand::Kind::constant)
        check_constant(instruction.operands[i].constant, *wanted[i].type());
  }

  static void check_constant(const c10::IValue& constant, const c10::Type& wanted) {
    if (constant.type()->isSubtypeOf(wanted)) return;
    const c10::Type* inner = &wanted;
    if (const auto* optional = wanted.castRaw<c10::OptionalType>()) inner = optional->getElementType().get();
    MRUN_CHECK(constant.isBool() && inner->kind() == c10::TypeKind::NumberType); // a Scalar may be one
  }

  const CompiledGraph& m_graph;
};

void compile(const Graph& graph) {
  const auto compiled = compile_graph(graph, {c10::Device(c10::kCPU), nullptr});
  if (!compiled) return fuzz::check_error(compiled.error());
  Checker(**compiled).check();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const Result<Program> program = parse_program(text);
  if (!program) return 0;
  compile(program->graph);
  Numbers numbers(text);
  Graph graph = program->graph;
  for (int variant = 0; variant < k_variants && !graph.nodes.empty(); ++variant) {
    change(graph, numbers);
    compile(graph);
  }
  return 0;
}
