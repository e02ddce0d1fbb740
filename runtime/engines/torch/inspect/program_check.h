// What a program needs and the executor lacks, found without running or even loading LibTorch: the same rules
// that compile.cpp applies at load, so that a model is refused when it is packed.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/engines/torch/inspect/operator_table.h"
#include "runtime/engines/torch/program.h"

namespace mrun::torch_engine {

struct Problem {
  std::string message; // "node `x` (torch.ops.mylib.magic.default): LibTorch 2.14.1 has no such operator"
  std::string hint;    // may be empty
  std::string source;  // the author's Python line, or empty
};

struct OperatorUse {
  std::size_t count = 0;
  bool available = true; // false: the executor or LibTorch lacks it
};
using OperatorUses = std::map<std::string, OperatorUse>; // by target without `torch.ops.`: "aten.add.Tensor"

struct CheckOptions {
  const OperatorTable* table =
      nullptr;                     // nullptr: this build has no torch engine, operators are not looked up
  bool operator_libraries = false; // the bundle brings operators of its own
};

// Whether the engine or LibTorch itself has operators of that namespace: `aten::add`, not `mylib::magic`.
bool is_known_namespace(std::string_view operator_name);
// Each target is reported once, at its first node; sub-graphs are looked at too.
std::vector<Problem> find_problems(const Program& program, const CheckOptions& options);
// Operators without a kernel for the CPU, once each: nothing is wrong where there is a GPU.
std::vector<Problem> find_cpu_problems(const Program& program, const CheckOptions& options);
// How often each target is called, in all graphs.
OperatorUses count_operators(const Program& program, const CheckOptions& options);

} // namespace mrun::torch_engine
