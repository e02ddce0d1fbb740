#include "runtime/engines/torch/inspect/operator_table.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::torch_engine {
namespace {

OperatorRow row_of(std::string_view line) {
  OperatorRow row;
  for (const std::string_view word : split(line, '\t')) {
    const std::size_t colon = word.find(':');
    if (row.name.empty())
      row.name = word;
    else if (word == "no-cpu")
      row.has_cpu_kernel = false;
    else
      row.not_carried.push_back({std::string(word.substr(0, colon)),
                                 colon == std::string_view::npos ? "" : std::string(word.substr(colon + 1))});
  }
  return row;
}

} // namespace

Result<OperatorTable> OperatorTable::parse(std::string text) {
  constexpr std::string_view k_head = "torch ", k_script = "script";
  OperatorTable table;
  bool in_script = false;
  for (const std::string_view line : split(text, '\n')) {
    if (table.m_version.empty()) {
      if (!line.starts_with(k_head)) break;
      table.m_version = std::string(line.substr(k_head.size()));
    } else if (line == k_script) {
      in_script = true;
    } else if (!line.empty() && in_script) {
      table.m_script.emplace_back(line);
    } else if (!line.empty()) {
      table.m_rows.push_back(row_of(line));
    }
  }
  if (table.m_version.empty() || !std::ranges::is_sorted(table.m_rows, {}, &OperatorRow::name) ||
      !std::ranges::is_sorted(table.m_script))
    return fail(ErrorCode::internal, "torch-operators.txt is damaged", "install mrun again");
  return table;
}

const OperatorRow* OperatorTable::find(std::string_view name, std::string_view overload) const {
  const std::string whole = overload.empty() ? std::string(name) : fmt::format("{}.{}", name, overload);
  const auto found = std::ranges::lower_bound(m_rows, whole, {}, &OperatorRow::name);
  return found == m_rows.end() || found->name != whole ? nullptr : &*found;
}

bool OperatorTable::has_script_operator(std::string_view name) const {
  return std::ranges::binary_search(m_script, name, {},
                                    [](const std::string& each) { return std::string_view(each); });
}

} // namespace mrun::torch_engine
