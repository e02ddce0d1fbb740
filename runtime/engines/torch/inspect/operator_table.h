// The operators of the LibTorch that the engine was built with, as a text file: what a program may call is
// then known without opening LibTorch. Made at build time by list_operators.cpp.
//
// First line `torch 2.14.1`, then one operator a line, sorted by bytes: `aten::add.Tensor`, `aten::linear`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun::torch_engine {

class OperatorTable {
 public:
  // Error internal: not such a text.
  static Result<OperatorTable> parse(std::string text);

  const std::string& torch_version() const { return m_version; }
  // `name`: "aten::add"; `overload`: "Tensor" or "".
  bool contains(std::string_view name, std::string_view overload) const;

 private:
  std::string m_version;
  std::vector<std::string> m_names;
};

} // namespace mrun::torch_engine
