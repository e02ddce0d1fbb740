#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/softmax/softmax.h"

using namespace mrun::kernels;

TEST_CASE("sums to one along the last axis and along an inner one") {
  const std::vector<float> in = {1, 2, 3, 1000, 1000, 1000};
  std::vector<float> out(6);
  softmax(in.data(), 2, 3, 1, out.data());
  CHECK(out[0] == doctest::Approx(0.09003057));
  CHECK(out[2] == doctest::Approx(0.66524096));
  CHECK(out[3] == doctest::Approx(1.0 / 3));
  softmax(in.data(), 1, 2, 3, out.data()); // pairs (1,1000), (2,1000), (3,1000)
  CHECK(out[0] == 0.0f);
  CHECK(out[3] == 1.0f);
}

TEST_CASE("infinities and NaN as in torch") {
  const float inf = std::numeric_limits<float>::infinity();
  std::vector<float> out(2);
  const std::vector<float> masked = {-inf, 1};
  softmax(masked.data(), 1, 2, 1, out.data());
  CHECK(out == std::vector<float>{0, 1});
  const std::vector<float> nothing = {-inf, -inf};
  softmax(nothing.data(), 1, 2, 1, out.data());
  CHECK(std::isnan(out[0]));
  const std::vector<float> broken = {std::nanf(""), 1};
  softmax(broken.data(), 1, 2, 1, out.data());
  CHECK(std::isnan(out[1]));
}
