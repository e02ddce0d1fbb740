#include "runtime/engines/torch/graph_functions.h"

#include <fmt/format.h>

namespace mrun::torch_engine {

std::optional<OperatorTarget> operator_of(std::string_view target) {
  if (!target.starts_with(k_op_prefix) || target.starts_with(k_higher_prefix)) return std::nullopt;
  target.remove_prefix(k_op_prefix.size());
  const std::size_t first = target.find('.');
  const std::size_t last = target.rfind('.');
  if (first == std::string_view::npos || first == last) return std::nullopt;
  std::string overload(target.substr(last + 1));
  if (overload == "default") overload.clear();
  return OperatorTarget{
      fmt::format("{}::{}", target.substr(0, first), target.substr(first + 1, last - first - 1)),
      std::move(overload)};
}

} // namespace mrun::torch_engine
