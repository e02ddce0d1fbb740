// Floats as Python computes with them; what is expected is what CPython 3.11 prints.
#include <doctest/doctest.h>

#include "runtime/engines/torch/python_numbers.h"

namespace mrun::torch_engine {
namespace {

TEST_CASE("floor division and remainder are those of Python") {
  struct Row {
    double a, b, quotient, rest;
  };
  for (const auto& [a, b, quotient, rest] :
       {Row{1.0, 0.1, 9.0, 0.09999999999999995}, Row{0.5, 0.1, 4.0, 0.09999999999999998},
        Row{7.5, 2.0, 3.0, 1.5}, Row{-7.5, 2.0, -4.0, 0.5}, Row{7.5, -2.0, -4.0, -0.5},
        Row{-1.0, 0.1, -10.0, 5.551115123125783e-17}, Row{6.0, 3.0, 2.0, 0.0}}) {
    CAPTURE(a);
    CAPTURE(b);
    CHECK(float_divmod(a, b).first == quotient);
    CHECK(float_divmod(a, b).second == rest);
  }
  CHECK(std::signbit(float_divmod(-0.0, 2.0).first));
  CHECK(std::signbit(float_divmod(6.0, -3.0).second));
}

TEST_CASE("rounding to digits is that of Python") {
  CHECK(float_round(2.675, 2) == 2.67);
  CHECK(float_round(0.125, 2) == 0.12);
  CHECK(float_round(0.375, 2) == 0.38);
  CHECK(float_round(1234.5678, -2) == 1200.0);
  CHECK(float_round(25.0, -1) == 20.0);
  CHECK(float_round(35.0, -1) == 40.0);
  CHECK(float_round(1e-5, 400) == 1e-5);
  CHECK(float_round(1e300, -400) == 0.0);
}

} // namespace
} // namespace mrun::torch_engine
