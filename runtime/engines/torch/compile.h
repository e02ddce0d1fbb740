// From a parsed graph to a flat list of instructions over LibTorch's dispatcher.
//
// Operators are looked up once, arguments are put into the order of the operator's schema, constants are
// prepared, dead nodes and checks that can't fail here are dropped, and each value knows after which
// instruction it is freed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/engines/torch/allowed.h"
#include "runtime/engines/torch/program.h"
#include "runtime/engines/torch/sym_ops.h"
#include "runtime/engines/torch/torch_headers.h"

namespace mrun::torch_engine {

// Where one argument comes from.
struct Operand {
  enum class Kind : std::uint8_t {
    constant,       // `constant`
    value,          // slot `value`
    wrapped_number, // slot `value`, a number given where a tensor is wanted: 0-dim, weak in type promotion
    to_float,       // slot `value`, an integer given where a float is wanted
    tensor_list,
    optional_tensor_list,
    int_list,
    float_list,
    bool_list,
    integer_scalar_list,
    float_scalar_list,
    bool_scalar_list // `elements`
  };
  Kind kind = Kind::constant;
  ValueId value = k_no_value;
  c10::IValue constant;
  std::vector<Element> elements;
};

struct CompiledGraph;

struct Instruction {
  enum class Kind : std::uint8_t { op, sym, inlined, autocast, cond, while_loop, map, scan };
  Kind kind = Kind::op;
  // Of what the operator gives, value by value: how many outputs a list's elements are; nullopt: one output,
  // the value itself. Of operators only.
  std::vector<std::optional<std::size_t>> returns;
  bool spreads_list = false; // a value of `returns` is a list
  std::optional<c10::OperatorHandle> op;
  SymFunction sym = nullptr;
  bool in_order = false;         // of sym: it changes more than what it gives (vmap.h)
  std::vector<Operand> operands; // op: in schema order; sym: in Python's; higher order: see execute.cpp
  std::vector<std::vector<Operand>> groups; // higher order: carried, mapped and additional values
  std::vector<std::unique_ptr<CompiledGraph>> graphs;
  std::vector<ValueId> outputs;     // k_no_value: not kept
  std::vector<std::size_t> writes;  // op: indexes of the operands that it writes into
  bool folded = false;              // ran at load (prepare.h): skipped unless the run is told otherwise
  std::vector<ValueId> release;     // freed afterwards
  std::string name, target, source; // for messages
};

struct CompiledGraph {
  std::size_t value_count = 0;
  std::vector<ValueId> inputs; // k_no_value for constants
  std::vector<Instruction> instructions;
  std::vector<Operand> outputs;
  // By ValueId: an operator writes into it, or into something that is known to share its memory. An estimate
  // (shared_memory.h): a value that is not here may be written into all the same.
  std::vector<bool> written;
  bool writes = false; // an operator in it or in its sub-graphs writes into an operand
};

struct CompileOptions {
  c10::Device device;                           // replaces every device that the program names
  const OperatorNames* own_operators = nullptr; // allowed beside those of allowed.h
};

// Error engine_unsupported: an operator that LibTorch lacks or an argument kind that is not supported, naming
// node, operator and Python line. Error load_failed: arguments that contradict the operator's schema.
Result<std::unique_ptr<CompiledGraph>> compile_graph(const Graph& graph, const CompileOptions& options);

// An error about `node` gets its name, operator and Python line.
Error at_node(Error error, const std::string& name, const std::string& target, const std::string& source);

} // namespace mrun::torch_engine
