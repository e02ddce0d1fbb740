#include <doctest/doctest.h>

#include <algorithm>

#include "kernels/softmax_top_k/softmax_top_k.cuh"
#include "kernels/softmax_top_k/softmax_top_k.h"
#include "kernels/softmax_top_k/softmax_top_k_cases.h"
#include "kernels/tests/support.h"

using namespace mrun::kernels;
using namespace mrun::kernels::test::softmax_test;
using test::k_inf;
using test::k_nan;
using test::same_bits;

namespace {

std::vector<std::int64_t> top(const std::vector<float>& in, std::size_t k, CpuIsa isa = best_cpu_isa()) {
  std::vector<std::int64_t> indices(k);
  top_k(in.data(), in.size(), k, indices.data(), isa);
  return indices;
}

} // namespace

TEST_CASE("softmax_top_k: sums to one along the last axis and along an inner one") {
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

TEST_CASE("softmax_top_k: the exponential is within 1 ulp, never subnormal, 1 at 0") {
  CHECK(exp_of_negative(0) == 1.0f);
  CHECK(exp_of_negative(-k_inf) == 0.0f);
  CHECK(exp_of_negative(-87.1f) == 0.0f);
  CHECK(std::isnormal(exp_of_negative(-87.0f)));
  double worst = 0;
  for (float x = 0; x > -87.0f; x -= 0.00137f) {
    const double exact = std::exp(static_cast<double>(x));
    const float rounded = static_cast<float>(exact);
    const double ulp = static_cast<double>(std::nextafterf(rounded, k_inf) - rounded);
    worst = std::max(worst, std::abs(static_cast<double>(exp_of_negative(x)) - exact) / ulp);
  }
  CHECK(worst < 1.0);
}

TEST_CASE("softmax_top_k: the sum in fixed point holds any row and is near the exact one") {
  CHECK(sum_fraction_bits(1000) == 40);
  CHECK(sum_fraction_bits(std::size_t{1} << 28) == 33);
  for (const std::size_t count :
       {std::size_t{1}, std::size_t{1} << 22, (std::size_t{1} << 22) + 1, std::size_t{1} << 31})
    CHECK(static_cast<double>(count) * sum_scale(count) < 0x1p63);
  test::Noise noise;
  const std::vector<float> in = noise.numbers(50'000, -30, 0);
  std::vector<float> out(in.size());
  softmax(in.data(), 1, in.size(), 1, out.data());
  double sum = 0, exact = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    sum += static_cast<double>(out[i]);
    exact += std::exp(static_cast<double>(in[i]));
  }
  CHECK(sum == doctest::Approx(1.0).epsilon(1e-6));
  for (std::size_t i = 0; i < in.size(); i += 97)
    CHECK(static_cast<double>(out[i]) ==
          doctest::Approx(std::exp(static_cast<double>(in[i])) / exact).epsilon(1e-6));
}

TEST_CASE("softmax_top_k: infinities and NaN as in torch") {
  std::vector<float> out(2);
  const std::vector<float> masked = {-k_inf, 1};
  softmax(masked.data(), 1, 2, 1, out.data());
  CHECK(out == std::vector<float>{0, 1});
  for (const std::vector<float>& in :
       {std::vector{-k_inf, -k_inf}, std::vector{k_nan, 1.0f}, std::vector{1.0f, k_inf}}) {
    softmax(in.data(), 1, 2, 1, out.data());
    CHECK(std::isnan(out[0]));
    CHECK(std::isnan(out[1]));
  }
}

TEST_CASE("softmax_top_k: largest first, ties by index, NaN last") {
  for (const CpuIsa isa : cpu_isas()) {
    CHECK(top({1, 5, 3, 5, 2}, 3, isa) == std::vector<std::int64_t>{1, 3, 2});
    CHECK(top({k_nan, 1, -k_inf}, 3, isa) == std::vector<std::int64_t>{1, 2, 0});
    CHECK(top({k_nan, k_nan, 3, k_nan, 4}, 2, isa) == std::vector<std::int64_t>{4, 2});
    CHECK(top({0.0f, -0.0f}, 2, isa) == std::vector<std::int64_t>{0, 1});
    CHECK(top({1, 2}, 0, isa).empty());
    CHECK(top({}, 0, isa).empty());
    std::vector<float> many(1000, 1.0f);
    many[999] = 2;
    many[500] = k_inf;
    many[10] = k_nan;
    CHECK(top(many, 4, isa) == std::vector<std::int64_t>{500, 999, 0, 1});
  }
}

TEST_CASE("softmax_top_k: each instruction set gives the reference's bits, in one pass and in two") {
  for (const Case& with : cases()) {
    CAPTURE(with.rows);
    CAPTURE(with.width);
    CAPTURE(with.k);
    const Found expected = with.reference();
    for (const CpuIsa isa : cpu_isas()) {
      CAPTURE(cpu_isa_name(isa));
      CHECK(with.found([&](const SoftmaxTopKArguments& a) { softmax_top_k(a, isa); }) == expected);
      CHECK(with.found([&](const SoftmaxTopKArguments& a) {
        std::vector<float> all(a.width);
        for (std::size_t r = 0; r < a.rows; ++r) {
          softmax(a.in + r * a.width, 1, a.width, 1, all.data(), isa);
          top_k(all.data(), a.width, a.k, a.indices + r * a.k, isa);
          for (std::size_t i = r * a.k; i < (r + 1) * a.k; ++i)
            a.scores[i] = all[static_cast<std::size_t>(a.indices[i])];
        }
      }) == expected);
    }
  }
}

TEST_CASE("softmax_top_k: the CUDA source, emulated, gives the reference's bits in any order of threads") {
  for (const Case& with : cases()) {
    CAPTURE(with.rows);
    CAPTURE(with.width);
    CAPTURE(with.k);
    const Found expected = with.reference();
    for (const emulation::ThreadOrder order : emulation::all_thread_orders()) {
      emulation::set_thread_order(order);
      CHECK(with.found([](const SoftmaxTopKArguments& a) {
        CHECK(launch_softmax_top_k(a.in, a.rows, a.width, a.k, a.indices, a.scores, nullptr) ==
              k_cuda_success);
      }) == expected);
    }
  }
  const std::vector<float> in(2000, 1.0f);
  std::vector<std::int64_t> indices(2000);
  std::vector<float> scores(2000);
  CHECK(launch_softmax_top_k(in.data(), 1, 2000, 1025, indices.data(), scores.data(), nullptr) ==
        k_cuda_invalid_value);
  CHECK(launch_softmax_top_k(in.data(), 1, 3, 4, indices.data(), scores.data(), nullptr) ==
        k_cuda_invalid_value);
}
