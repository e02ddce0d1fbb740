#include <doctest/doctest.h>

#include <vector>

#include "kernels/mean_pool/mean_pool.h"

using namespace mrun::kernels;

TEST_CASE("the mean over the tokens that the mask keeps, batch by batch") {
  const std::vector<float> in = {1, 2, 3, 4, 100, 200, /* second */ 5, 6, 7, 8, 9, 10};
  const std::vector<float> mask = {1, 1, 0, /* second */ 1, 1, 1};
  std::vector<float> out(4);
  mean_pool(in.data(), mask.data(), 2, 3, 2, out.data());
  CHECK(out == std::vector<float>{2, 3, 7, 8});
  mean_pool(in.data(), nullptr, 1, 2, 2, out.data());
  CHECK(out[0] == 2);
  CHECK(out[1] == 3);
}

TEST_CASE("an empty mask gives zeros, not NaN") {
  const std::vector<float> in = {1, 2};
  const float mask = 0;
  std::vector<float> out(2, 9);
  mean_pool(in.data(), &mask, 1, 1, 2, out.data());
  CHECK(out == std::vector<float>{0, 0});
}
