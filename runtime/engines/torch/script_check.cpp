#include "runtime/engines/torch/script_check.h"

#include <algorithm>
#include <string>
#include <unordered_set>
#include <vector>

#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

#include "common/limits.h"
#include "common/text.h"
#include "runtime/engines/torch/allowed.h"

namespace mrun::torch_engine {
namespace {

constexpr std::size_t k_max_code_bytes = 256 * k_mib;
constexpr std::string_view k_code_ending = ".py";
constexpr std::string_view k_setstate = "__setstate__";

// LibTorch finds members without regard to case.
bool is_code(std::string_view name) {
  if (name.size() < k_code_ending.size()) return false;
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a + ('a' - 'A') : a) == b; };
  return std::ranges::equal(name.substr(name.size() - k_code_ending.size()), k_code_ending, same);
}

class ScriptCheck {
 public:
  ScriptCheck(torch::jit::CompilationUnit& unit, const OperatorNames& own_operators)
      : m_unit(unit),
        m_own_operators(own_operators) {}

  Result<void> run() {
    // Looked at again until nothing new comes up: defining a function may bring others.
    for (bool found = true; found;) {
      found = false;
      for (torch::jit::Function* function : m_unit.get_functions())
        found = add(*function) || found;
      while (!m_functions.empty()) {
        torch::jit::Function& function = *m_functions.back();
        m_functions.pop_back();
        MRUN_TRY(check_function(function));
      }
    }
    return {};
  }

 private:
  bool add(torch::jit::Function& function) {
    const bool is_new = m_seen.insert(&function).second;
    if (is_new) m_functions.push_back(&function);
    return is_new;
  }

  Result<void> check_function(torch::jit::Function& function) {
    torch::jit::GraphFunction* code = torch::jit::tryToGraphFunction(function);
    if (code == nullptr) return {}; // of a class in torch.classes: checked where it is called
    code->ensure_defined();
    const std::shared_ptr<torch::jit::Graph> graph = code->graph();
    std::vector<torch::jit::Block*> blocks{graph->block()};
    while (!blocks.empty()) {
      torch::jit::Block& block = *blocks.back();
      blocks.pop_back();
      for (torch::jit::Node* node : block.nodes()) {
        MRUN_TRY(check_node(*node, function));
        blocks.insert(blocks.end(), node->blocks().begin(), node->blocks().end());
        add_subgraphs(*node, blocks);
      }
    }
    return {};
  }

  // Of prim::fork and its like. The node keeps them alive.
  static void add_subgraphs(torch::jit::Node& node, std::vector<torch::jit::Block*>& blocks) {
    for (const c10::Symbol name : node.attributeNames()) {
      if (node.kindOf(name) == torch::jit::AttributeKind::g) blocks.push_back(node.g(name)->block());
      if (node.kindOf(name) == torch::jit::AttributeKind::gs)
        for (const auto& graph : node.gs(name))
          blocks.push_back(graph->block());
    }
  }

  Result<void> check_node(torch::jit::Node& node, const torch::jit::Function& function) {
    const std::string name = node.kind().toQualString();
    if (!may_run(name) && !m_own_operators.contains(name)) return refuse("operator", name, function);
    if (node.kind() == c10::prim::CreateObject) return check_class(*node.output()->type(), function);
    if (node.kind() == c10::prim::CallFunction) {
      if (const auto type = node.input(0)->type()->cast<c10::FunctionType>()) add(*type->function());
    } else if (node.kind() == c10::prim::CallMethod) {
      // The methods behind an interface are all in the unit.
      MRUN_TRY(check_class(*node.input(0)->type(), function));
      const auto type = node.input(0)->type()->cast<c10::ClassType>();
      torch::jit::Function* method =
          type == nullptr ? nullptr : type->findMethod(node.s(c10::Symbol::attr("name")));
      if (method != nullptr) add(*method);
    }
    return {};
  }

  static Result<void> check_class(const c10::Type& type, const torch::jit::Function& function) {
    const c10::ClassType* known = type.castRaw<c10::ClassType>();
    if (known == nullptr || !known->name()) return {};
    const std::string name = known->name()->qualifiedName();
    return may_use_class(name) ? Result<void>() : refuse("class", name, function);
  }

  static Result<void> refuse(std::string_view what, std::string_view name,
                             const torch::jit::Function& function) {
    return fail(ErrorCode::engine_unsupported,
                fmt::format("TorchScript: {} `{}` in `{}` may not be used by a model", what,
                            printable(name, 200), printable(function.qualname().qualifiedName(), 200)));
  }

  torch::jit::CompilationUnit& m_unit;
  const OperatorNames& m_own_operators;
  std::unordered_set<torch::jit::Function*> m_seen;
  std::vector<torch::jit::Function*> m_functions; // to be looked at
};

} // namespace

Result<void> check_script_code(std::shared_ptr<caffe2::serialize::ReadAdapterInterface> file) {
  caffe2::serialize::PyTorchStreamReader reader(std::move(file));
  std::size_t total = 0;
  for (const std::string& name : reader.getAllRecords()) {
    if (!is_code(name)) continue;
    const std::size_t size = reader.getRecordSize(name);
    if (size > k_max_code_bytes - total)
      return fail(ErrorCode::load_failed,
                  fmt::format("TorchScript: its code has over {}", format_bytes(k_max_code_bytes)));
    total += size;
    const auto [data, length] = reader.getRecord(name);
    if (std::string_view(static_cast<const char*>(data.get()), length).find(k_setstate) !=
        std::string_view::npos)
      return fail(ErrorCode::engine_unsupported,
                  fmt::format("TorchScript: `{}` has a `{}`, code that would run while the file is loaded",
                              printable(name, 200), k_setstate),
                  "torch.jit.freeze the module before it is saved, or export it by torch.export");
  }
  return {};
}

Result<void> check_script(const torch::jit::Module& module, const OperatorNames& own_operators) {
  return ScriptCheck(*module._ivalue()->compilation_unit(), own_operators).run();
}

} // namespace mrun::torch_engine
