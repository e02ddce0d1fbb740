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

// factor*symbol + offset, with a factor that is not 0.
struct LinearSize {
  std::string symbol;
  std::int64_t factor = 1;
  std::int64_t offset = 0;
};

class SizeExpression {
 public:
  // Integer, Symbol, Mul and Add. nullopt for anything else.
  static std::optional<SizeExpression> parse(std::string_view text);

  std::string words() const; // "32*s0"
  // nullopt: a symbol is missing, or the value does not fit.
  std::optional<std::int64_t> value(const Sizes& sizes) const;
  // nullopt: it is constant, has more than one symbol, or a power of one.
  std::optional<LinearSize> linear() const;

 private:
  enum class Kind { integer, symbol, product, sum };
  std::optional<LinearSize> linear_part() const; // with a factor of 0 and no symbol for a constant
  static std::optional<SizeExpression> parse_one(std::string_view& rest, int depth);

  Kind m_kind = Kind::integer;
  std::int64_t m_integer = 0;
  std::string m_symbol;
  std::vector<SizeExpression> m_parts;
};

} // namespace mrun::torch_engine
