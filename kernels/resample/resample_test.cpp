#include <doctest/doctest.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include "kernels/resample/resample.h"
#include "kernels/tests/support.h"

using namespace mrun::kernels;

namespace {

std::vector<float> resampled(const std::vector<float>& in, std::int64_t from, std::int64_t to,
                             CpuIsa isa = best_cpu_isa()) {
  const Resampler resampler(from, to);
  std::vector<float> out(resampler.out_count(in.size()));
  resampler.run(in.data(), in.size(), out.data(), isa);
  return out;
}

// The formula of the header, sample by sample in double.
double naive(const std::vector<float>& in, std::int64_t from, std::int64_t to, std::size_t at) {
  const std::int64_t divisor = std::gcd(from, to);
  const double f = static_cast<double>(from / divisor), t = static_cast<double>(to / divisor);
  const double base = std::min(f, t) * 0.99;
  double sum = 0;
  for (std::size_t i = 0; i < in.size(); ++i) {
    const double x = (static_cast<double>(i) / f - static_cast<double>(at) / t) * base;
    if (std::abs(x) >= 6) continue;
    const double window = std::pow(std::cos(std::numbers::pi * x / 12), 2);
    sum += static_cast<double>(in[i]) *
           (x == 0 ? 1.0 : std::sin(std::numbers::pi * x) / (std::numbers::pi * x)) * window * base / f;
  }
  return sum;
}

} // namespace

TEST_CASE("resample: the formula, up, down and between odd rates, at the edges too") {
  const std::vector<float> in = mrun::kernels::test::Noise().numbers(500, -1, 1);
  for (const auto& [from, to] : {std::pair{44'100, 16'000},
                                 {16'000, 44'100},
                                 {8'000, 16'000},
                                 {48'000, 8'000},
                                 {7, 5},
                                 {1000, 999},
                                 {3, 1000}}) {
    const std::vector<float> out = resampled(in, from, to);
    CHECK(out.size() == static_cast<std::size_t>(std::ceil(500.0 * to / from)));
    for (std::size_t i = 0; i < out.size(); i += 1 + out.size() / 400)
      REQUIRE(std::abs(static_cast<double>(out[i]) - naive(in, from, to, i)) < 2e-6);
  }
}

TEST_CASE("resample: each instruction set gives the same bits") {
  for (const std::size_t count : {1, 2, 37, 5000}) {
    const std::vector<float> in = mrun::kernels::test::Noise(3).numbers(count, -1, 1);
    for (const CpuIsa isa : cpu_isas())
      CHECK(mrun::kernels::test::same_bits(resampled(in, 44'100, 16'000, isa),
                                           resampled(in, 44'100, 16'000, CpuIsa::baseline)));
  }
}

TEST_CASE("resample: the same rate is a copy, no samples give none, a tone keeps its height") {
  CHECK(resampled({1, 2, 3}, 8000, 8000) == std::vector<float>{1, 2, 3});
  CHECK(resampled({}, 8000, 16'000).empty());
  std::vector<float> tone(4410);
  for (std::size_t i = 0; i < tone.size(); ++i)
    tone[i] = static_cast<float>(std::sin(2 * std::numbers::pi * 440 * static_cast<double>(i) / 44'100));
  const std::vector<float> out = resampled(tone, 44'100, 16'000);
  for (std::size_t i = 200; i < out.size() - 200; ++i)
    REQUIRE(std::abs(static_cast<double>(out[i]) -
                     std::sin(2 * std::numbers::pi * 440 * static_cast<double>(i) / 16'000)) < 0.01);
}
