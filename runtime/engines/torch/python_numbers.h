// Python's arithmetic on floats, where it is not C's. As CPython's floatobject.c computes it.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

namespace mrun::torch_engine {

// {a // b, a % b}; b is not 0. 1.0 // 0.1 is 9, since 0.1 is a little more than a tenth.
inline std::pair<double, double> float_divmod(double a, double b) {
  double rest = std::fmod(a, b);
  double quotient = (a - rest) / b;
  if (rest == 0) {
    rest = std::copysign(0.0, b);
  } else if ((b < 0) != (rest < 0)) {
    rest += b;
    quotient -= 1;
  }
  if (quotient == 0) return {std::copysign(0.0, a / b), rest};
  const double whole = std::floor(quotient);
  return {quotient - whole > 0.5 ? whole + 1 : whole, rest};
}

// round(x, digits): to even where the decimal is exactly in the middle.
inline double float_round(double x, std::int64_t digits) {
  constexpr std::int64_t k_all = 323, k_none = -308; // of an f64's decimal digits
  if (!std::isfinite(x) || digits > k_all) return x;
  if (digits < k_none) return std::copysign(0.0, x);
  if (digits < 0) return x - std::remainder(x, std::pow(10.0, static_cast<double>(-digits)));
  std::string text(400 + static_cast<std::size_t>(digits), '\0');
  std::snprintf(text.data(), text.size(), "%.*f", static_cast<int>(digits), x);
  return std::strtod(text.c_str(), nullptr);
}

} // namespace mrun::torch_engine
