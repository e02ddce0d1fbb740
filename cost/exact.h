// Exact numbers of a calculation: fractions, rounded once, at its end.
//
// Money holds what is billed; between a rate and an amount stand products of rates, units and shares, which
// would be rounded at each step. Fractions are not.
#pragma once

#include <cstdint>
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

// A plain decimal as a file or flag has it: digits, at most one point, at most 12 places and 12 digits before
// the point; no sign, no exponent. Error `code`.
Result<Exact> parse_exact(std::string_view text, ErrorCode code);

// The shortest decimal of at most `places` places, rounded half to even: "0.125", "-3", "12".
std::string exact_text(const Exact& value, int places);

// Rounded up to a multiple of `step` > 0.
Exact round_up_to(const Exact& value, const Exact& step);

} // namespace mrun
