#include "runtime/engines/torch/inspect/operator_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::torch_engine {

Result<OperatorTable> OperatorTable::parse(std::string text) {
  constexpr std::string_view k_head = "torch ";
  OperatorTable table;
  for (const std::string_view line : split(text, '\n')) {
    if (table.m_version.empty()) {
      if (!line.starts_with(k_head)) break;
      table.m_version = std::string(line.substr(k_head.size()));
    } else if (!line.empty()) {
      table.m_names.emplace_back(line);
    }
  }
  if (table.m_version.empty() || !std::ranges::is_sorted(table.m_names))
    return fail(ErrorCode::internal, "torch-operators.txt is damaged", "install mrun again");
  return table;
}

bool OperatorTable::contains(std::string_view name, std::string_view overload) const {
  const std::string whole = overload.empty() ? std::string(name) : fmt::format("{}.{}", name, overload);
  return std::ranges::binary_search(m_names, whole);
}

} // namespace mrun::torch_engine
