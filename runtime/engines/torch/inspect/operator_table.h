// The operators of the LibTorch that the engine was built with, as a text file: what a program may call is
// then known without opening LibTorch. Made at build time by list_operators.cpp.
//
// First line `torch 2.14.1`, then one operator a line, sorted by name, as bytes: `aten::add.Tensor`,
// `aten::linear`. Behind a tab each: `no-cpu`, when only other devices have a kernel, and arguments that the
// executor does not carry, `generator:Generator?`. After the line `script` the names, sorted, that
// TorchScript's code may call: `aten::append`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun::torch_engine {

struct OperatorRow {
  std::string name; // "aten::add.Tensor"
  bool has_cpu_kernel = true;
  struct Argument {
    std::string name, type;
  };
  std::vector<Argument> not_carried;
};

class OperatorTable {
 public:
  // Error internal: not such a text.
  static Result<OperatorTable> parse(std::string text);

  const std::string& torch_version() const { return m_version; }
  // `name`: "aten::add"; `overload`: "Tensor" or "". nullptr: LibTorch has no such operator.
  const OperatorRow* find(std::string_view name, std::string_view overload) const;
  bool contains(std::string_view name, std::string_view overload) const {
    return find(name, overload) != nullptr;
  }
  // Whether TorchScript's code may call it.
  bool has_script_operator(std::string_view name) const;

 private:
  std::string m_version;
  std::vector<OperatorRow> m_rows;
  std::vector<std::string> m_script;
};

} // namespace mrun::torch_engine
