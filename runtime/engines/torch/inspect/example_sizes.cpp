#include "runtime/engines/torch/inspect/example_sizes.h"

#include <algorithm>
#include <array>
#include <set>

namespace mrun::torch_engine {
namespace {

// Symbols of first axes: one example is enough.
std::set<std::string> batch_symbols(const Program& program) {
  std::set<std::string> symbols;
  for (const InputSpec& spec : program.inputs) {
    const auto meta = program.graph.metas.find(spec.value);
    if (spec.kind != InputKind::user || meta == program.graph.metas.end() || meta->second.sizes.size() < 2)
      continue;
    if (const std::string& symbol = meta->second.sizes.front().symbol; !symbol.empty())
      symbols.insert(symbol);
  }
  return symbols;
}

Sizes guess(const Program& program, std::int64_t size) {
  Sizes sizes;
  const std::set<std::string> batch = batch_symbols(program);
  for (const auto& [symbol, range] : program.ranges) {
    const std::int64_t wanted = batch.contains(symbol) ? 1 : size;
    sizes[symbol] = std::max(std::min(wanted, range.max.value_or(wanted)), range.min.value_or(wanted));
  }
  return sizes;
}

// Symbols that have no range are free.
void add_free_symbols(const Program& program, std::int64_t size, Sizes& sizes) {
  for (const auto& [value, meta] : program.graph.metas)
    for (const Extent& extent : meta.sizes)
      if (!extent.symbol.empty()) sizes.try_emplace(extent.symbol, size);
}

std::optional<GuardNumber> look_up(const Program& program, const Sizes& sizes, const std::string& path,
                                   std::optional<std::int64_t> axis) {
  std::size_t position = 0;
  for (const InputSpec& spec : program.inputs) {
    if (spec.kind != InputKind::user && spec.kind != InputKind::constant) continue;
    if (program.user_input_paths[position++] != path) continue;
    if (!axis) return spec.constant ? spec.constant : std::optional<GuardNumber>(k_example_number);
    const auto meta = program.graph.metas.find(spec.value);
    if (meta == program.graph.metas.end()) return std::nullopt;
    const auto shape = shape_at(meta->second, sizes);
    if (!shape || *axis < 0 || static_cast<std::size_t>(*axis) >= shape->size()) return std::nullopt;
    return (*shape)[static_cast<std::size_t>(*axis)];
  }
  return std::nullopt;
}

} // namespace

std::optional<std::vector<std::int64_t>> shape_at(const TensorMeta& meta, const Sizes& sizes) {
  std::vector<std::int64_t> shape;
  for (const Extent& extent : meta.sizes) {
    std::optional<std::int64_t> size = extent.constant;
    if (!extent.symbol.empty()) {
      const auto found = sizes.find(extent.symbol);
      if (found != sizes.end()) size = found->second;
    } else if (!extent.expression.empty()) {
      const auto expression = SizeExpression::parse(extent.expression);
      if (expression) size = expression->value(sizes);
    }
    if (!size || *size < 0) return std::nullopt;
    shape.push_back(*size);
  }
  return shape;
}

Sizes example_sizes(const Program& program) {
  constexpr std::array<std::int64_t, 9> k_guesses = {2, 4, 3, 8, 16, 1, 32, 64, 7};
  Sizes first;
  for (const std::int64_t size : k_guesses) {
    Sizes sizes = guess(program, size);
    add_free_symbols(program, size, sizes);
    const bool fits = std::ranges::all_of(program.guards, [&](const Guard& guard) {
      return guard.holds([&](const std::string& path, std::optional<std::int64_t> axis) {
        return look_up(program, sizes, path, axis);
      }) != false;
    });
    if (fits) return sizes;
    if (first.empty()) first = std::move(sizes);
  }
  return first;
}

} // namespace mrun::torch_engine
