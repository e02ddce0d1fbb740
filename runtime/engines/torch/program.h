// An exported program as data: what `models/<name>.json` of a torch.export archive says, parsed under limits.
//
// The format is torch/_export/serde/schema.py of the PyTorch that wrote it (major version 8). Names are
// resolved to numbers here, so that a value is always defined before it is read; what operators mean is not
// known yet (compile.h). No LibTorch in this file. docs/formats/torch-engine.md explains what is supported.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "common/error.h"
#include "runtime/engines/torch/guards.h"
#include "runtime/engines/torch/pytree.h"

namespace mrun::torch_engine {

inline constexpr std::size_t k_max_program_bytes = 256u << 20;
inline constexpr std::size_t k_max_program_depth = 256; // sub-graphs nest in JSON
inline constexpr std::size_t k_max_graph_nodes = 1'000'000;
inline constexpr std::size_t k_max_guards = 10'000;
inline constexpr std::int64_t k_schema_major = 8;

using ValueId = std::int32_t; // number of a value inside its graph
inline constexpr ValueId k_no_value = -1;

// The members of schema.py's Argument union.
enum class ArgumentKind : std::uint8_t {
  none,
  tensor,
  tensors,
  optional_tensor,
  optional_tensors,
  nested_tensors,
  integer,
  integers,
  int_lists,
  floating,
  floats,
  float_lists,
  boolean,
  booleans,
  complex_number,
  sym_int,
  sym_ints,
  sym_float,
  sym_floats,
  sym_bool,
  sym_bools,
  string,
  strings,
  scalar_type,
  memory_format,
  layout,
  device,
  graph,
  custom_obj,
  op,
  string_to_argument
};

// Their names in the file, such as `as_tensor`.
std::vector<std::string_view> argument_kind_keys();

struct Graph;

// One element of a list: a value, or a constant.
struct Element {
  ValueId value = k_no_value;
  std::int64_t integer = 0; // also booleans
  double floating = 0;
};

struct Argument {
  ArgumentKind kind = ArgumentKind::none;
  ValueId value = k_no_value; // tensor, optional_tensor, and sym_* when they are named
  std::int64_t integer = 0;   // integer, boolean, scalar_type, layout, memory_format, sym_int, sym_bool
  double floating = 0;        // floating, sym_float, complex's real part
  double imaginary = 0;
  std::string text; // string; device: its type ("cpu"); custom_obj, op: its name
  std::vector<Element> elements;
  std::vector<std::string> strings;
  std::shared_ptr<Graph> graph; // shared: Argument stays copyable
};

struct NamedArgument {
  std::string name; // of the operator's schema; may be empty
  Argument argument;
};

struct Node {
  std::string target; // "torch.ops.aten.linear.default", "_operator.add"
  std::string name;
  std::string source; // the innermost Python line that made it, or empty
  std::vector<NamedArgument> inputs;
  std::vector<Argument> outputs;
};

// One size of a tensor: a constant, a symbol ("s43"), or neither (an expression).
struct Extent {
  std::optional<std::int64_t> constant;
  std::string symbol;
  std::string expression; // "Mul(2, s43)", for people
};

struct TensorMeta {
  std::int64_t dtype = 0; // schema.py ScalarType, not c10's
  std::int64_t layout = 0;
  std::vector<Extent> sizes;
  std::vector<Extent> strides;
  Extent storage_offset;
  bool requires_grad = false; // a weight's: LibTorch chooses between equal ways to multiply by it
};

struct Graph {
  std::vector<std::string> value_names; // by ValueId
  std::vector<Argument> inputs;
  std::vector<Argument> outputs;
  std::vector<Node> nodes;
  std::unordered_map<ValueId, TensorMeta> metas; // of the graph's tensor inputs and outputs
};

enum class InputKind : std::uint8_t { user, parameter, buffer, tensor_constant, constant, token };

struct InputSpec {
  InputKind kind = InputKind::user;
  ValueId value = k_no_value;               // k_no_value for constants
  std::string target;                       // name of the parameter, buffer or constant
  std::optional<GuardNumber> constant = {}; // a number (or bool) that became a part of the program
  std::string written = {};                 // that, or a string or null, as JSON; "" for anything longer
};

struct OutputSpec {
  bool user = false; // else a mutation, a gradient or a token, which a prediction doesn't give out
};

struct Range {
  std::optional<std::int64_t> min;
  std::optional<std::int64_t> max;
};

struct Program {
  Graph graph;
  std::vector<InputSpec> inputs;   // one per graph input
  std::vector<OutputSpec> outputs; // one per graph output
  std::vector<std::string>
      user_input_paths; // "input_ids", "opts.p": one per user or constant input, in order
  std::vector<std::string>
      user_output_paths; // "0", "last_hidden_state", "a.0": one per user output, in order
  std::unordered_map<std::string, Range> ranges; // by symbol
  std::vector<Guard> guards;
  std::vector<std::string> unread_guards; // in a way that guards.h does not read
  std::string output_spec; // the pytree of what forward returns, as torch.utils._pytree writes it
  NamedTuples named_tuples;
  std::string torch_version;
  std::string schema_version; // "8.20"
};

// Error load_failed: not such JSON (the message names the node), a value read before it is defined, a limit.
// Error engine_unsupported: another major schema version, or a signature with custom objects.
Result<Program> parse_program(std::string_view json);

// Where a weight's bytes are: an entry of `*_weights_config.json` or `*_constants_config.json`.
struct Payload {
  std::string member; // file name below data/weights or data/constants
  bool pickled = false;
  bool has_meta = false;
  TensorMeta meta;
};
using Payloads = std::unordered_map<std::string, Payload>; // by parameter, buffer or constant name

Result<Payloads> parse_payloads(std::string_view json, std::string_view what);

} // namespace mrun::torch_engine
