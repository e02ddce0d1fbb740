#include "runtime/engines/torch/inspect/program_check.h"

#include <set>

#include <fmt/format.h>

#include "common/text.h"
#include "runtime/engines/torch/allowed.h"
#include "runtime/engines/torch/graph_functions.h"
#include "runtime/engines/torch/quantized_names.h"

namespace mrun::torch_engine {
namespace {

struct Lack {
  std::string message; // empty: nothing is lacking
  std::string hint;
};

Lack lack_of_operator(const OperatorTarget& target, const CheckOptions& options) {
  if (is_of_engine(target.name) && target.overload.empty()) return {};
  if (is_quantized_name(target.name, target.overload)) return {};
  if (!is_known_namespace(target.name)) {
    if (options.operator_libraries) return {}; // looked up when the library is open
    return {"LibTorch has no such operator", "name the library that registers it under `options: {operators: "
                                             "[…]}` in mrun.yaml, or export the model without it"};
  }
  if (!may_run(target.name)) return {"this operator may not be used by a program", ""};
  if (options.table == nullptr || options.table->contains(target.name, target.overload)) return {};
  if (options.operator_libraries) return {};
  return {fmt::format("LibTorch {} has no such operator", options.table->torch_version()),
          "the program may be of a newer PyTorch: export it with that version"};
}

Lack lack_of(std::string_view target, const CheckOptions& options) {
  if (target.starts_with(k_higher_prefix))
    return find_higher_order(target) != nullptr ? Lack{}
                                                : Lack{"this higher-order operator is not supported", ""};
  if (const auto name = operator_of(target)) return lack_of_operator(*name, options);
  if (is_sym_name(target) || is_vmap_name(target)) return {};
  return {"this Python function is not supported in a graph", ""};
}

// Kinds that no operator of LibTorch takes and the executor does not carry.
std::string_view lack_of_argument(const Argument& argument) {
  switch (argument.kind) {
  case ArgumentKind::custom_obj:
    return "a custom class";
  case ArgumentKind::op:
    return "an operator as an argument";
  case ArgumentKind::nested_tensors:
    return "a list of lists of tensors";
  case ArgumentKind::int_lists:
    return "a list of lists of integers";
  case ArgumentKind::float_lists:
    return "a list of lists of floats";
  case ArgumentKind::string_to_argument:
    return "a dictionary as an argument";
  default:
    return {};
  }
}

// Every node of the graph and of those inside of it.
template<class Visit>
void for_each_node(const Graph& graph, const Visit& visit) {
  for (const Node& node : graph.nodes) {
    visit(node);
    for (const NamedArgument& input : node.inputs)
      if (input.argument.graph) for_each_node(*input.argument.graph, visit);
  }
}

const OperatorRow* row_of(const Node& node, const CheckOptions& options) {
  const auto name = operator_of(node.target);
  return options.table == nullptr || !name ? nullptr : options.table->find(name->name, name->overload);
}

// The type of an argument that the executor does not carry; "" for what it does.
std::string_view not_carried_type(const OperatorRow* row, const NamedArgument& input) {
  if (row == nullptr || input.argument.kind == ArgumentKind::none) return {};
  for (const OperatorRow::Argument& argument : row->not_carried)
    if (argument.name == input.name) return argument.type;
  return {};
}

std::string node_words(const Node& node) {
  return fmt::format("node `{}` ({})", printable(node.name, 80), printable(node.target, 120));
}

std::string short_name(std::string_view target) {
  return std::string(target.starts_with(k_op_prefix) ? target.substr(k_op_prefix.size()) : target);
}

} // namespace

bool is_known_namespace(std::string_view operator_name) {
  return may_run(fmt::format("{}::x", operator_name.substr(0, operator_name.find(':'))));
}

std::vector<Problem> find_problems(const Program& program, const CheckOptions& options) {
  std::vector<Problem> problems;
  std::set<std::string> seen;
  for_each_node(program.graph, [&](const Node& node) {
    if (!seen.insert(node.target).second) return;
    if (Lack lack = lack_of(node.target, options); !lack.message.empty())
      problems.push_back({node_words(node) + ": " + lack.message, std::move(lack.hint), node.source});
  });
  for_each_node(program.graph, [&](const Node& node) {
    const OperatorRow* row = row_of(node, options);
    for (const NamedArgument& input : node.inputs)
      if (const std::string_view type = not_carried_type(row, input); !type.empty())
        problems.push_back({fmt::format("{}: argument `{}` of type {} is not supported", node_words(node),
                                        printable(input.name, 80), type),
                            "", node.source});
      else if (const std::string_view lack = lack_of_argument(input.argument); !lack.empty())
        problems.push_back({fmt::format("{}: argument `{}` is {}, which is not supported", node_words(node),
                                        printable(input.name, 80), lack),
                            "", node.source});
  });
  return problems;
}

std::vector<Problem> find_cpu_problems(const Program& program, const CheckOptions& options) {
  std::vector<Problem> problems;
  std::set<std::string> seen;
  for_each_node(program.graph, [&](const Node& node) {
    const OperatorRow* row = row_of(node, options);
    if (row == nullptr || row->has_cpu_kernel || !seen.insert(node.target).second) return;
    problems.push_back({fmt::format("{}: LibTorch {} has no kernel of this operator for the CPU",
                                    node_words(node), options.table->torch_version()),
                        "export the program on a CPU, or say `requires: {devices: [cuda]}` in mrun.yaml",
                        node.source});
  });
  return problems;
}

OperatorUses count_operators(const Program& program, const CheckOptions& options) {
  OperatorUses uses;
  for_each_node(program.graph, [&](const Node& node) {
    const auto [use, first] = uses.try_emplace(short_name(node.target));
    if (first) use->second.available = lack_of(node.target, options).message.empty();
    ++use->second.count;
  });
  return uses;
}

} // namespace mrun::torch_engine
