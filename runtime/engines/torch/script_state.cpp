#include "runtime/engines/torch/script_state.h"

#include <algorithm>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <fmt/format.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/ir/ir.h>

#include "runtime/engines/torch/shared_memory.h"

namespace mrun::torch_engine {
namespace {

namespace jit = torch::jit; // program.h has a Graph and a Node of its own

bool may_hold_tensors(const jit::Value& value) {
  switch (value.type()->kind()) {
  case c10::TypeKind::IntType:
  case c10::TypeKind::FloatType:
  case c10::TypeKind::BoolType:
  case c10::TypeKind::ComplexType:
  case c10::TypeKind::NumberType:
  case c10::TypeKind::StringType:
  case c10::TypeKind::NoneType:
  case c10::TypeKind::DeviceObjType:
    return false;
  default:
    return true;
  }
}

// Which values of a graph may share memory, and which of those are written. Whatever has no schema of an
// operator (lists, tuples, branches, loops, calls) joins all that it touches.
class Sharing {
 public:
  explicit Sharing(jit::Graph& graph) { look(*graph.block()); }

  bool is_written(jit::Value* value) {
    return std::ranges::any_of(m_written, [&](jit::Value* written) { return root(written) == root(value); });
  }
  const std::vector<jit::Node*>& constants() const { return m_constants; }

 private:
  jit::Value* root(jit::Value* value) {
    const auto found = m_parent.find(value);
    if (found == m_parent.end() || found->second == value) return value;
    jit::Value* top = root(found->second);
    m_parent[value] = top;
    return top;
  }

  void join(const std::vector<jit::Value*>& values) {
    for (jit::Value* value : values)
      m_parent[root(value)] = root(values.front());
  }

  void look(jit::Block& block) {
    for (jit::Node* node : block.nodes()) {
      if (node->kind() == c10::prim::Constant) {
        m_constants.push_back(node);
        continue;
      }
      for (jit::Block* inner : node->blocks())
        look(*inner);
      const c10::FunctionSchema* schema = node->maybeSchema();
      if (schema != nullptr && node->blocks().empty() && !node->kind().is_prim())
        look_at_operator(*node, *schema);
      else
        look_at_structure(*node);
    }
  }

  void look_at_operator(jit::Node& node, const c10::FunctionSchema& schema) {
    std::vector<jit::Value*> shared;
    const bool training = is_training(node, schema);
    for (std::size_t i = 0; i < schema.arguments().size() && i < node.inputs().size(); ++i) {
      const c10::Argument& argument = schema.arguments()[i];
      jit::Value* value = node.input(i);
      if (!may_hold_tensors(*value)) continue;
      const c10::AliasInfo* alias = argument.alias_info();
      if (alias != nullptr || is_known_to_give_back(schema, i)) shared.push_back(value);
      if ((alias != nullptr && alias->isWrite()) || is_written_silently(schema, argument, training))
        m_written.push_back(value);
    }
    if (shared.empty()) return;
    add_tensors(node.outputs(), shared);
    join(shared);
  }

  void look_at_structure(jit::Node& node) {
    std::vector<jit::Value*> shared;
    add_tensors(node.inputs(), shared);
    add_tensors(node.outputs(), shared);
    for (jit::Block* block : node.blocks()) {
      add_tensors(block->inputs(), shared);
      add_tensors(block->outputs(), shared);
    }
    if (has_code(node)) add_tensors(node.inputs(), m_written); // which is not looked at here
    if (!shared.empty()) join(shared);
  }

  static bool has_code(const jit::Node& node) {
    return node.kind() == c10::prim::CallFunction || node.kind() == c10::prim::CallMethod ||
           std::ranges::any_of(node.attributeNames(), [&](c10::Symbol name) {
             return node.kindOf(name) == jit::AttributeKind::g || node.kindOf(name) == jit::AttributeKind::gs;
           });
  }

  static void add_tensors(at::ArrayRef<jit::Value*> from, std::vector<jit::Value*>& values) {
    std::ranges::copy_if(from, std::back_inserter(values),
                         [](jit::Value* value) { return may_hold_tensors(*value); });
  }

  static bool is_training(const jit::Node& node, const c10::FunctionSchema& schema) {
    for (const char* flag : {"training", "train", "use_input_stats"}) {
      const auto index = schema.argumentIndexWithName(flag);
      if (!index) continue;
      const auto value = jit::toIValue(node.input(static_cast<std::size_t>(*index)));
      return !value || !value->isBool() || value->toBool();
    }
    return false;
  }

  std::unordered_map<jit::Value*, jit::Value*> m_parent;
  std::vector<jit::Value*> m_written;
  std::vector<jit::Node*> m_constants;
};

struct WrittenConstants {
  std::vector<jit::Node*> constants;      // all that there are
  std::unordered_set<const void*> memory; // of those that may be written
  bool lists = false;                     // lists of tensors among them
};

// By memory, since freezing also makes constants of what it computes from constants, such as views of them.
WrittenConstants written_constants(jit::Graph& graph) {
  Sharing sharing(graph);
  WrittenConstants written{sharing.constants(), {}, false};
  for (jit::Node* node : written.constants) {
    if (!may_hold_tensors(*node->output()) || !sharing.is_written(node->output())) continue;
    const auto value = jit::toIValue(node->output());
    if (!value || value->isNone() || value->isCustomClass()) continue;
    if (value->isTensor())
      written.memory.insert(memory_of(value->toTensor()));
    else
      written.lists = true;
  }
  return written;
}

// As one axis of the same dtype.
at::Tensor whole_memory(const at::Tensor& tensor) {
  const auto count = static_cast<std::int64_t>(tensor.storage().nbytes() / tensor.element_size());
  return at::empty({0}, tensor.options()).set_(tensor.storage(), 0, {count}, {1});
}

// The type of what deepcopy keeps track by, which changed its name between versions of LibTorch.
using c10::ivalue::Object;
template<class Map>
Map map_of(c10::intrusive_ptr<Object> (Object::*)(Map&, std::optional<at::Device>) const);
using Memo = decltype(map_of(&Object::deepcopy));

} // namespace

bool writes_constants(const jit::Module& module) {
  const WrittenConstants written = written_constants(*module.get_method("forward").graph());
  return written.lists || !written.memory.empty();
}

Result<void> keep_written_constants(jit::Module& module) {
  const std::shared_ptr<jit::Graph> graph = module.get_method("forward").graph();
  const WrittenConstants written = written_constants(*graph);
  if (written.lists)
    return fail(
        ErrorCode::engine_unsupported,
        "TorchScript: `forward` writes into a constant list of tensors, which its next run would see");
  std::unordered_map<const void*, jit::Value*> kept;
  for (jit::Node* node : written.constants) {
    const auto value = jit::toIValue(node->output());
    if (!value || !value->isTensor() || !written.memory.contains(memory_of(value->toTensor()))) continue;
    const at::Tensor tensor = value->toTensor();
    jit::Value*& whole = kept[memory_of(tensor)];
    if (whole == nullptr) {
      const jit::WithInsertPoint at_begin(*graph->block()->nodes().begin());
      const std::string name = fmt::format("mrun_written_{}", kept.size());
      module.register_attribute(name, c10::TensorType::get(), whole_memory(tensor));
      whole = graph->insertGetAttr(graph->inputs()[0], name);
    }
    const jit::WithInsertPoint behind(whole->node()->next());
    node->output()->replaceAllUsesWith(
        graph->insert(c10::aten::as_strided,
                      {whole, tensor.sizes().vec(), tensor.strides().vec(), tensor.storage_offset()}));
  }
  return {};
}

bool has_state(const jit::Module& module) {
  for (const c10::IValue& value : module.attributes())
    if (!value.isCustomClass() && !value.isNone()) return true;
  return false;
}

jit::Module with_own_state(const jit::Module& module) {
  Memo known;
  for (const c10::IValue& value : module.attributes())
    if (value.isCustomClass()) known[value] = value;
  return jit::Module(module._ivalue()->deepcopy(known));
}

} // namespace mrun::torch_engine
