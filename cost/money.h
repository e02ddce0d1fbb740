// Money: an exact amount of one currency. Never binary floating point (DECISIONS "Money").
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

// 10^-12 of a currency unit. int64 holds ±9.2 million units: enough for one prediction, checked in every sum.
class Money {
 public:
  Money() = default;
  static constexpr Money from_pico(std::int64_t pico) { return Money(pico); }
  // A plain or scientific decimal as written in a price book or config ("0.36", "1e-7"): at most 12 places
  // that are not zero, not negative, no sign, no blanks. Error `code`, naming the text.
  static Result<Money> parse(std::string_view text, ErrorCode code);

  constexpr std::int64_t pico() const { return m_pico; }
  // Shortest exact decimal, at least no exponent: "0.0001", "0", "12.5".
  std::string text() const;

  // Error internal on overflow.
  Result<Money> plus(Money other) const;
  // This × numerator / denominator, rounded half to even to a pico-unit, in 128 bits. denominator > 0.
  Result<Money> times(std::int64_t numerator, std::int64_t denominator) const;

  auto operator<=>(const Money&) const = default;

 private:
  explicit constexpr Money(std::int64_t pico) : m_pico(pico) {}
  std::int64_t m_pico = 0;
};

} // namespace mrun
