#include "runtime/engines/torch/script_device.h"

#include <vector>

#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

namespace mrun::torch_engine {
namespace {

using torch::jit::Block;
using torch::jit::Graph;
using torch::jit::Node;

// A constant device, as tracing writes it, or torch.device("…") of a constant, as scripting does.
bool gives_fixed_device(const Node& node) {
  if (node.outputs().size() != 1 || node.output()->type()->kind() != c10::TypeKind::DeviceObjType)
    return false;
  if (node.kind() == c10::prim::Constant) return true;
  if (node.kind() != c10::Symbol::fromQualString("aten::device")) return false;
  for (const torch::jit::Value* input : node.inputs())
    if (input->node()->kind() != c10::prim::Constant) return false;
  return true;
}

void set_device(Graph& graph, c10::Device device) {
  std::vector<Block*> blocks{graph.block()};
  std::vector<Node*> found;
  while (!blocks.empty()) {
    Block& block = *blocks.back();
    blocks.pop_back();
    for (Node* node : block.nodes()) {
      if (gives_fixed_device(*node)) found.push_back(node);
      blocks.insert(blocks.end(), node->blocks().begin(), node->blocks().end());
    }
  }
  for (Node* node : found) {
    const torch::jit::WithInsertPoint here(node);
    node->output()->replaceAllUsesWith(graph.insertConstant(device));
    node->destroy();
  }
}

} // namespace

void set_script_device(const torch::jit::Module& module, c10::Device device) {
  for (torch::jit::Function* function : module._ivalue()->compilation_unit()->get_functions()) {
    torch::jit::GraphFunction* code = torch::jit::tryToGraphFunction(*function);
    if (code == nullptr) continue;
    code->ensure_defined();
    set_device(*code->graph(), device);
  }
}

} // namespace mrun::torch_engine
