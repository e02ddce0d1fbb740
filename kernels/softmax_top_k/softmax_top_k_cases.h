// What softmax_top_k is tried on, by the CPU tests and on a GPU: odd sizes, none, ties, NaN and infinities.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>
#include <vector>

#include "kernels/softmax_top_k/softmax_top_k.h"
#include "kernels/tests/support.h"

namespace mrun::kernels::test::softmax_test {

struct Found {
  std::vector<std::int64_t> indices;
  std::vector<float> scores;
  bool operator==(const Found& other) const {
    return indices == other.indices && same_bits(scores, other.scores);
  }
};

struct Case {
  std::size_t rows, width, k;
  std::vector<float> in;

  template<class Call>
  Found found(Call call) const {
    Found result{std::vector<std::int64_t>(rows * k, -1), std::vector<float>(rows * k, -1)};
    call(SoftmaxTopKArguments{in.data(), rows, width, k, result.indices.data(), result.scores.data()});
    return result;
  }
  Found reference() const {
    return found([](const SoftmaxTopKArguments& a) { softmax_top_k_reference(a); });
  }
};

inline std::vector<Case> cases() {
  Noise noise;
  std::vector<Case> all;
  for (const std::size_t width : {1, 2, 31, 32, 33, 64, 100, 255, 257, 1000, 3001})
    for (const std::size_t k : {1, 5, 64, 1000})
      if (k <= width) all.push_back({2, width, k, noise.numbers(2 * width, -8, 8)});
  all.push_back({1, 30'000, 17, noise.numbers(30'000, -40, 40)});
  all.push_back({0, 10, 2, {}});
  all.push_back({2, 10, 0, noise.numbers(20, -1, 1)});
  all.push_back({1, 500, 500, std::vector<float>(500, 0.25f)}); // nothing but ties
  all.push_back({1, 500, 3, std::vector<float>(500, -1e30f)});
  Case ties{1, 700, 90, noise.numbers(700, 0, 1)}; // few values, each many times
  for (float& value : ties.in)
    value = std::round(value * 7);
  all.push_back(ties);
  Case close{1, 400, 50, {}}; // logits that differ but whose probabilities round to one f32
  for (std::size_t i = 0; i < 400; ++i)
    close.in.push_back(1.0f + static_cast<float>((i * 37) % 400) * 0x1p-23f);
  all.push_back(close);
  Case masked{1, 300, 20, noise.numbers(300, -200, 0)}; // most are 0 after the exponential
  masked.in[7] = -k_inf;
  masked.in[8] = -3e38f;
  all.push_back(masked);
  for (const float odd : {k_nan, k_inf, -k_inf}) {
    Case with{3, 70, 5, noise.numbers(210, -1, 1)};
    std::fill_n(with.in.begin() + 70, odd == -k_inf ? 70 : 1, odd); // only the second row
    all.push_back(with);
  }
  return all;
}

} // namespace mrun::kernels::test::softmax_test
