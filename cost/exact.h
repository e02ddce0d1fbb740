// Exact numbers of a calculation: fractions, rounded once, at its end.
//
// Money holds what is billed; between a rate and an amount stand products of rates, units and shares, which
// would be rounded at each step. Fractions are not.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <boost/multiprecision/cpp_int.hpp>

#include "common/error.h"
#include "cost/money.h"

namespace mrun {

using Exact = boost::multiprecision::cpp_rational;

inline Exact exact_of(Money amount) {
  return Exact(amount.pico(), 1'000'000'000'000);
}

// The nearest Money, half to even. Error cost_unknown: beyond its range (9.2 million units).
Result<Money> to_money(const Exact& value);

// The nearest whole number, half to even; nullopt: beyond 64 bits.
std::optional<std::int64_t> nearest_integer(const Exact& value);

// A plain decimal as a file or flag has it: digits, at most one point, at most 12 places and `most_digits`
// digits before the point; no sign, no exponent. Error `code`.
inline constexpr std::size_t k_max_typed_digits = 12;
inline constexpr std::size_t k_max_result_digits = 60; // of what a calculation of ours may have ended in
Result<Exact> parse_exact(std::string_view text, ErrorCode code,
                          std::size_t most_digits = k_max_typed_digits);

// The shortest decimal of at most `places` places, rounded half to even: "0.125", "-3", "12".
std::string exact_text(const Exact& value, int places);

// Rounded up to a multiple of `step` > 0.
Exact round_up_to(const Exact& value, const Exact& step);

} // namespace mrun
