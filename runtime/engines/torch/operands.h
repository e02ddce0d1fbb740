// Arguments of nodes, converted to what an operator's schema asks for.
#pragma once

#include <vector>

#include "runtime/engines/torch/compile.h"

namespace mrun::torch_engine {

// Value ids after dropped nodes are skipped: resolved[id] is the value to read instead.
using Resolved = std::vector<ValueId>;

struct OperandContext {
  const Resolved& resolved;
  c10::Device device;
};

// Errors as compile_graph.
Result<Operand> make_operand(const Argument& argument, const c10::Argument& schema,
                             const OperandContext& context);

// Without a schema (Python functions, sub-graphs, outputs): a value or constant as it is; lists are
// flattened.
Result<std::vector<Operand>> make_plain_operands(const Argument& argument, const OperandContext& context);

// The values that an operand reads.
void for_each_value(const Operand& operand, const std::function<void(ValueId)>& visit);

} // namespace mrun::torch_engine
