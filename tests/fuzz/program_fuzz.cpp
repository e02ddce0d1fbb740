// An exported program's JSON and its tables of weights: values are defined before they are read, every spec
// has its value and its path, and what the program is told to lack can be shown.
#include <algorithm>

#include "runtime/engines/torch/inspect/program_check.h"
#include "runtime/engines/torch/program.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;
using namespace mrun::torch_engine;

namespace {

class Values {
 public:
  explicit Values(std::size_t count) : m_defined(count, false) {}

  void define(const Argument& argument) {
    for_each(argument, [&](ValueId id) {
      MRUN_CHECK(!m_defined.at(static_cast<std::size_t>(id)));
      m_defined[static_cast<std::size_t>(id)] = true;
    });
  }
  void read(const Argument& argument) const {
    for_each(argument, [&](ValueId id) { MRUN_CHECK(m_defined.at(static_cast<std::size_t>(id))); });
  }

 private:
  template<class Visit>
  static void for_each(const Argument& argument, const Visit& visit) {
    if (argument.value != k_no_value) visit(argument.value);
    for (const Element& element : argument.elements)
      if (element.value != k_no_value) visit(element.value);
  }

  std::vector<bool> m_defined;
};

void check_graph(const Graph& graph) {
  Values values(graph.value_names.size());
  for (const Argument& input : graph.inputs)
    values.define(input);
  for (const Node& node : graph.nodes) {
    for (const NamedArgument& input : node.inputs) {
      values.read(input.argument);
      if (input.argument.graph) check_graph(*input.argument.graph);
    }
    for (const Argument& output : node.outputs)
      values.define(output);
    fuzz::check_shown(node.source);
  }
  for (const Argument& output : graph.outputs)
    values.read(output);
  for (const auto& [value, meta] : graph.metas)
    MRUN_CHECK(static_cast<std::size_t>(value) < graph.value_names.size());
}

// A guard of whatever sizes gives an answer or none.
void check_guards(const Program& program) {
  for (const Guard& guard : program.guards)
    for (const std::int64_t size : {std::int64_t{0}, std::int64_t{7}, INT64_MAX, INT64_MIN})
      (void)guard.holds([&](const std::string&, std::optional<std::int64_t>) { return GuardNumber(size); });
}

void check_program(const Program& program) {
  check_graph(program.graph);
  check_guards(program);
  MRUN_CHECK(program.inputs.size() == program.graph.inputs.size());
  MRUN_CHECK(program.outputs.size() == program.graph.outputs.size());
  const auto is_given = [](const torch_engine::InputSpec& spec) {
    return spec.kind == InputKind::user || spec.kind == InputKind::constant;
  };
  const auto given = std::ranges::count_if(program.inputs, is_given);
  MRUN_CHECK(program.user_input_paths.size() == static_cast<std::size_t>(given));
  const auto users = std::ranges::count_if(program.outputs, &OutputSpec::user);
  MRUN_CHECK(program.user_output_paths.size() == static_cast<std::size_t>(users));
  for (const Problem& problem : find_problems(program, {})) {
    fuzz::check_shown(problem.message);
    fuzz::check_shown(problem.source);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  const Result<Program> program = parse_program(text);
  if (program)
    check_program(*program);
  else
    fuzz::check_error(program.error());
  if (const Result<Payloads> payloads = parse_payloads(text, "weights"); !payloads)
    fuzz::check_error(payloads.error());
  return 0;
}
