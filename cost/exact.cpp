#include "cost/exact.h"

#include <limits>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

using Whole = boost::multiprecision::cpp_int;

constexpr std::size_t k_max_places = 12;

Whole power_of_ten(int exponent) {
  Whole power = 1;
  for (; exponent > 0; --exponent)
    power *= 10;
  return power;
}

// Half to even.
Whole nearest_whole(const Exact& value) {
  const Whole over = boost::multiprecision::numerator(value);
  const Whole under = boost::multiprecision::denominator(value);
  Whole quotient, rest;
  boost::multiprecision::divide_qr(over, under, quotient, rest);
  const Whole twice = Whole(boost::multiprecision::abs(rest)) * 2;
  const bool is_odd = boost::multiprecision::bit_test(Whole(boost::multiprecision::abs(quotient)), 0);
  if (twice > under || (twice == under && is_odd)) quotient += over < 0 ? -1 : 1;
  return quotient;
}

} // namespace

Result<Money> to_money(const Exact& value) {
  const std::optional<std::int64_t> pico = nearest_integer(value * Exact(power_of_ten(12)));
  if (!pico)
    return fail(ErrorCode::cost_unknown, "the amount is beyond 9 million units of the currency",
                "look at the figures that it comes from");
  return Money::from_pico(*pico);
}

std::optional<std::int64_t> nearest_integer(const Exact& value) {
  const Whole nearest = nearest_whole(value);
  if (nearest > std::numeric_limits<std::int64_t>::max() ||
      nearest < std::numeric_limits<std::int64_t>::min())
    return std::nullopt;
  return static_cast<std::int64_t>(nearest);
}

Result<Exact> parse_exact(std::string_view text, ErrorCode code, std::size_t most_digits) {
  const std::size_t point = text.find('.');
  const std::string_view whole = text.substr(0, point);
  const std::string_view places = point == std::string_view::npos ? "" : text.substr(point + 1);
  const auto digits_only = [](std::string_view part) {
    return part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  if (whole.empty() || (point != std::string_view::npos && places.empty()) || !digits_only(whole) ||
      !digits_only(places))
    return fail(code, fmt::format("'{}' is not a number", printable(text, 60)), "write it like 12 or 0.25");
  if (whole.size() > most_digits || places.size() > k_max_places)
    return fail(code, fmt::format("'{}' has more than {} digits", printable(text, 60),
                                  whole.size() > most_digits ? most_digits : k_max_places));
  Whole digits = 0;
  for (const char c : fmt::format("{}{}", whole, places))
    digits = digits * 10 + (c - '0');
  return Exact(digits, power_of_ten(static_cast<int>(places.size())));
}

std::string exact_text(const Exact& value, int places) {
  Whole scaled = nearest_whole(value * Exact(power_of_ten(places)));
  const bool is_negative = scaled < 0;
  if (is_negative) scaled = -scaled;
  std::string digits = scaled.str();
  const auto wanted = static_cast<std::size_t>(places) + 1;
  if (digits.size() < wanted) digits.insert(0, wanted - digits.size(), '0');
  std::string text = digits.substr(0, digits.size() - static_cast<std::size_t>(places));
  std::string rest = digits.substr(digits.size() - static_cast<std::size_t>(places));
  rest.erase(rest.find_last_not_of('0') + 1);
  if (!rest.empty()) text += "." + rest;
  return (is_negative ? "-" : "") + text;
}

Exact round_up_to(const Exact& value, const Exact& step) {
  MRUN_CHECK(step > 0);
  const Exact ratio = value / step;
  const Whole over = boost::multiprecision::numerator(ratio);
  const Whole under = boost::multiprecision::denominator(ratio);
  Whole quotient, rest;
  boost::multiprecision::divide_qr(over, under, quotient, rest);
  if (rest > 0) quotient += 1;
  return Exact(quotient) * step;
}

} // namespace mrun
