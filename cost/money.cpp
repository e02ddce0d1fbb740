#include "cost/money.h"

#include <charconv>
#include <limits>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

__extension__ typedef __int128 Wide;

constexpr int k_places = 12;
constexpr std::int64_t k_unit = 1'000'000'000'000;
constexpr std::size_t k_max_digits = 40; // a longer number is no price
constexpr int k_max_exponent = 30;

struct Decimal {
  std::string digits; // without the point
  int exponent = 0;   // of the last digit
};

// digits [. digits] [e [sign] digits], nothing else.
bool read_decimal(std::string_view text, Decimal& decimal) {
  const std::size_t mark = text.find_first_of("eE");
  const std::string_view mantissa = text.substr(0, mark);
  if (mark != std::string_view::npos) {
    std::string_view power = text.substr(mark + 1);
    if (power.starts_with('+')) power.remove_prefix(1);
    const auto [end, error] = std::from_chars(power.data(), power.data() + power.size(), decimal.exponent);
    constexpr int most = k_max_exponent + static_cast<int>(k_max_digits);
    if (error != std::errc() || end != power.data() + power.size() || decimal.exponent < -most ||
        decimal.exponent > most)
      return false;
  }
  bool after_point = false;
  for (const char c : mantissa) {
    if (c == '.' && !after_point) {
      after_point = true;
    } else if (c >= '0' && c <= '9') {
      decimal.digits += c;
      decimal.exponent -= after_point ? 1 : 0;
    } else {
      return false;
    }
  }
  return !decimal.digits.empty() && mantissa.front() != '.' && mantissa.back() != '.' &&
         decimal.digits.size() <= k_max_digits &&
         decimal.exponent >= -k_max_exponent - static_cast<int>(k_max_digits) &&
         decimal.exponent <= k_max_exponent;
}

// The value in pico-units; false when it is not a whole number of them or too large.
bool to_pico(Decimal decimal, std::int64_t& pico) {
  while (decimal.digits.size() > 1 && decimal.digits.back() == '0') {
    decimal.digits.pop_back();
    ++decimal.exponent;
  }
  if (decimal.digits == "0") {
    pico = 0;
    return true;
  }
  int zeros = decimal.exponent + k_places;
  if (zeros < 0) return false;
  Wide value = 0;
  const auto append = [&value](int digit) {
    value = value * 10 + digit;
    return value <= std::numeric_limits<std::int64_t>::max();
  };
  for (const char c : decimal.digits)
    if (!append(c - '0')) return false;
  for (; zeros > 0; --zeros)
    if (!append(0)) return false;
  pico = static_cast<std::int64_t>(value);
  return true;
}

Result<Money> narrow(Wide value) {
  if (value > std::numeric_limits<std::int64_t>::max() || value < std::numeric_limits<std::int64_t>::min())
    return fail(ErrorCode::internal, "an amount of money is too large");
  return Money::from_pico(static_cast<std::int64_t>(value));
}

} // namespace

Result<Money> Money::parse(std::string_view text, ErrorCode code) {
  Decimal decimal;
  if (!read_decimal(text, decimal))
    return fail(code, fmt::format("'{}' is not an amount", printable(text, 60)), "write it like 0.36");
  std::int64_t pico = 0;
  if (!to_pico(std::move(decimal), pico))
    return fail(code, fmt::format("'{}' is too large or has more than 12 places", printable(text, 60)));
  return from_pico(pico);
}

std::string Money::text() const {
  const bool negative = m_pico < 0;
  const auto magnitude =
      negative ? 0 - static_cast<std::uint64_t>(m_pico) : static_cast<std::uint64_t>(m_pico);
  const auto unit = static_cast<std::uint64_t>(k_unit);
  std::string text = fmt::format("{}{}", negative ? "-" : "", magnitude / unit);
  if (const std::uint64_t rest = magnitude % unit; rest != 0) {
    std::string places = fmt::format("{:012}", rest);
    places.erase(places.find_last_not_of('0') + 1);
    text += "." + places;
  }
  return text;
}

Result<Money> Money::plus(Money other) const {
  return narrow(static_cast<Wide>(m_pico) + other.m_pico);
}

Result<Money> Money::times(std::int64_t numerator, std::int64_t denominator) const {
  MRUN_CHECK(denominator > 0);
  const Wide product = static_cast<Wide>(m_pico) * numerator;
  Wide quotient = product / denominator;
  const Wide rest = product % denominator;
  const Wide twice = (rest < 0 ? -rest : rest) * 2;
  if (twice > denominator || (twice == denominator && quotient % 2 != 0)) quotient += product < 0 ? -1 : 1;
  return narrow(quotient);
}

} // namespace mrun
