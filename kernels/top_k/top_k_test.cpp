#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "kernels/top_k/top_k.h"

using namespace mrun::kernels;

namespace {
std::vector<std::int64_t> top(const std::vector<float>& in, std::size_t k) {
  std::vector<std::int64_t> indices(k);
  top_k(in.data(), in.size(), k, indices.data());
  return indices;
}
} // namespace

TEST_CASE("largest first, ties by index, NaN last") {
  CHECK(top({1, 5, 3, 5, 2}, 3) == std::vector<std::int64_t>{1, 3, 2});
  CHECK(top({std::nanf(""), 1, -std::numeric_limits<float>::infinity()}, 3) ==
        std::vector<std::int64_t>{1, 2, 0});
  CHECK(top({0.0f, -0.0f}, 2) == std::vector<std::int64_t>{0, 1});
  CHECK(top({1, 2}, 0).empty());
  CHECK(top({}, 0).empty());
}
