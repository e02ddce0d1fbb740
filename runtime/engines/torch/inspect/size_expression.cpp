#include "runtime/engines/torch/inspect/size_expression.h"

#include <charconv>

namespace mrun::torch_engine {
namespace {

constexpr int k_max_depth = 64;

bool take(std::string_view& rest, std::string_view word) {
  if (!rest.starts_with(word)) return false;
  rest.remove_prefix(word.size());
  return true;
}

} // namespace

std::optional<SizeExpression> SizeExpression::parse_one(std::string_view& rest, int depth) {
  SizeExpression result;
  if (depth > k_max_depth) return std::nullopt;
  if (take(rest, "Integer(")) {
    const auto [end, problem] = std::from_chars(rest.data(), rest.data() + rest.size(), result.m_integer);
    if (problem != std::errc()) return std::nullopt;
    rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
    return take(rest, ")") ? std::optional(result) : std::nullopt;
  }
  if (take(rest, "Symbol('")) {
    const std::size_t quote = rest.find('\''), close = rest.find(')');
    if (quote == std::string_view::npos || close == std::string_view::npos || close < quote)
      return std::nullopt;
    result.m_kind = Kind::symbol;
    result.m_symbol = std::string(rest.substr(0, quote));
    rest.remove_prefix(close + 1);
    return result;
  }
  const bool product = take(rest, "Mul(");
  if (!product && !take(rest, "Add(")) return std::nullopt;
  result.m_kind = product ? Kind::product : Kind::sum;
  do {
    auto part = parse_one(rest, depth + 1);
    if (!part) return std::nullopt;
    result.m_parts.push_back(std::move(*part));
  } while (take(rest, ", "));
  return take(rest, ")") ? std::optional(std::move(result)) : std::nullopt;
}

std::optional<SizeExpression> SizeExpression::parse(std::string_view text) {
  auto result = parse_one(text, 0);
  return text.empty() ? std::move(result) : std::nullopt;
}

std::string SizeExpression::words() const {
  if (m_kind == Kind::integer) return std::to_string(m_integer);
  if (m_kind == Kind::symbol) return m_symbol;
  std::string text;
  for (const SizeExpression& part : m_parts) {
    const bool inner_sum = m_kind == Kind::product && part.m_kind == Kind::sum;
    if (!text.empty()) text += m_kind == Kind::product ? "*" : " + ";
    text += inner_sum ? "(" + part.words() + ")" : part.words();
  }
  return text;
}

std::optional<std::int64_t> SizeExpression::value(const Sizes& sizes) const {
  if (m_kind == Kind::integer) return m_integer;
  if (m_kind == Kind::symbol) {
    const auto found = sizes.find(m_symbol);
    return found == sizes.end() ? std::nullopt : std::optional(found->second);
  }
  std::int64_t total = m_kind == Kind::product ? 1 : 0;
  for (const SizeExpression& part : m_parts) {
    const auto value = part.value(sizes);
    if (!value) return std::nullopt;
    const bool overflow = m_kind == Kind::product ? __builtin_mul_overflow(total, *value, &total)
                                                  : __builtin_add_overflow(total, *value, &total);
    if (overflow) return std::nullopt;
  }
  return total;
}

std::optional<LinearSize> SizeExpression::linear_part() const {
  if (m_kind == Kind::integer) return LinearSize{"", 0, m_integer};
  if (m_kind == Kind::symbol) return LinearSize{m_symbol, 1, 0};
  LinearSize total{"", 0, m_kind == Kind::product ? 1 : 0};
  for (const SizeExpression& part : m_parts) {
    const auto next = part.linear_part();
    if (!next || (!next->symbol.empty() && !total.symbol.empty() && next->symbol != total.symbol))
      return std::nullopt;
    LinearSize both{total.symbol.empty() ? next->symbol : total.symbol, 0, 0};
    bool overflow = false;
    if (m_kind == Kind::sum) {
      overflow = __builtin_add_overflow(total.factor, next->factor, &both.factor) ||
                 __builtin_add_overflow(total.offset, next->offset, &both.offset);
    } else {
      if (total.factor != 0 && next->factor != 0) return std::nullopt; // a power
      std::int64_t left = 0, right = 0;
      overflow = __builtin_mul_overflow(total.factor, next->offset, &left) ||
                 __builtin_mul_overflow(next->factor, total.offset, &right) ||
                 __builtin_mul_overflow(total.offset, next->offset, &both.offset);
      both.factor = left + right; // one of them is 0
    }
    if (overflow) return std::nullopt;
    total = std::move(both);
  }
  return total;
}

std::optional<LinearSize> SizeExpression::linear() const {
  auto result = linear_part();
  return result && result->factor != 0 ? std::move(result) : std::nullopt;
}

} // namespace mrun::torch_engine
