// Sizes as torch.export writes them: expressions of SymPy in the form of its srepr(), such as
// `Mul(Integer(32), Symbol('s0', positive=True, integer=True))`.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace mrun::torch_engine {

using Sizes = std::map<std::string, std::int64_t, std::less<>>; // by symbol

class SizeExpression {
 public:
  // Integer, Symbol, Mul and Add. nullopt for anything else.
  static std::optional<SizeExpression> parse(std::string_view text);

  std::string words() const; // "32*s0"
  // nullopt: a symbol is missing, or the value does not fit.
  std::optional<std::int64_t> value(const Sizes& sizes) const;

 private:
  enum class Kind { integer, symbol, product, sum };
  static std::optional<SizeExpression> parse_one(std::string_view& rest, int depth);

  Kind m_kind = Kind::integer;
  std::int64_t m_integer = 0;
  std::string m_symbol;
  std::vector<SizeExpression> m_parts;
};

} // namespace mrun::torch_engine
