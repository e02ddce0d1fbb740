// What pool_normalize is tried on, by the CPU tests and on a GPU: odd sizes, none, masks of all kinds, NaN
// and infinities.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/pool_normalize/pool_normalize.h"
#include "kernels/tests/support.h"

namespace mrun::kernels::test::pool_test {

struct Case {
  std::size_t batch, tokens, width;
  std::vector<float> in, mask; // no mask: null is passed

  PoolArguments arguments(std::vector<float>& out) const {
    out.assign(batch * width, -7.0f);
    return {in.data(), mask.empty() ? nullptr : mask.data(), batch, tokens, width, out.data()};
  }
  std::vector<float> reference() const {
    std::vector<float> out;
    pool_normalize_reference(arguments(out), k_normalize_epsilon);
    return out;
  }
};

inline std::vector<Case> cases() {
  Noise noise;
  std::vector<Case> all;
  const std::pair<std::size_t, std::size_t> shapes[] = {{0, 5},  {1, 1},   {3, 31},  {7, 32},    {2, 33},
                                                        {5, 64}, {9, 130}, {2, 384}, {300, 384}, {1, 5000}};
  for (const auto& [tokens, width] : shapes)
    for (const std::size_t batch : {std::size_t{1}, std::size_t{3}}) {
      Case with{batch, tokens, width, noise.numbers(batch * tokens * width, -3, 3), {}};
      all.push_back(with);
      for (std::size_t i = 0; i < batch * tokens; ++i)
        with.mask.push_back(noise.bits() % 3 == 0 ? 0.0f : 1.0f);
      all.push_back(with);
      with.mask.assign(with.mask.size(), 0.0f);
      all.push_back(with);
    }
  Case odd{3, 4, 40, noise.numbers(480, -1, 1), std::vector<float>(12, 1.0f)};
  odd.in[5] = k_nan;
  odd.in[200] = k_inf;
  odd.mask[8] = k_nan;
  all.push_back(odd);
  all.push_back({1, 2, 40, noise.numbers(80, 1e30f, 3e30f), {}});        // squares beyond f32
  all.push_back({1, 2, 40, noise.numbers(80, 0, 1e-30f), {}});           // a norm below epsilon
  all.push_back({1, 3, 8, noise.numbers(24, -1, 1), {0.5f, -2, 1.25f}}); // a mask of weights
  return all;
}

} // namespace mrun::kernels::test::pool_test
