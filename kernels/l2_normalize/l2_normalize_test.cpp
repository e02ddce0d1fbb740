#include <doctest/doctest.h>

#include <vector>

#include "kernels/l2_normalize/l2_normalize.h"

using namespace mrun::kernels;

TEST_CASE("rows get unit length; a zero row stays zero; in place works") {
  std::vector<float> rows = {3, 4, 0, 0, -2, 0};
  l2_normalize(rows.data(), 3, 2, 1e-12f, rows.data());
  CHECK(rows == std::vector<float>{0.6f, 0.8f, 0, 0, -1, 0});
}

TEST_CASE("large values do not overflow the sum") {
  std::vector<float> row = {3e30f, 4e30f};
  l2_normalize(row.data(), 1, 2, 1e-12f, row.data());
  CHECK(row[0] == doctest::Approx(0.6));
  CHECK(row[1] == doctest::Approx(0.8));
}
