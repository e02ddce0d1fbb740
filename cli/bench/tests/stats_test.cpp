// Medians, percentiles, intervals, outliers, trends.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <doctest/doctest.h>

#include "cli/bench/stats/bootstrap.h"
#include "cli/bench/stats/outliers.h"
#include "cli/bench/stats/quantile.h"
#include "cli/bench/stats/rank_test.h"
#include "cli/bench/stats/trend.h"

namespace mrun::bench {
namespace {

Samples counted(std::size_t n) {
  Samples samples(n);
  std::iota(samples.begin(), samples.end(), 1.0);
  return samples;
}

Samples normal(std::size_t n, double mean, double deviation, std::uint64_t seed) {
  Random random(seed);
  Samples samples(n);
  for (double& sample : samples)
    sample = mean + deviation * random.normal();
  return samples;
}

TEST_CASE("the median of an even number is between the two in the middle") {
  CHECK(median_of({3, 1, 2}) == 2);
  CHECK(median_of({4, 1, 2, 3}) == 2.5);
  CHECK(median_of({7}) == 7);
  CHECK(quantile_of(counted(10), 0.5) == 5.5);
}

TEST_CASE("a percentile is a measured value of rank ceil(p n)") {
  CHECK(quantile_of(counted(20), 0.95) == 19);
  CHECK(quantile_of(counted(100), 0.99) == 99);
  CHECK(quantile_of(counted(101), 0.99) == 100);
  CHECK(quantile_of_sorted(counted(1), 0.999) == 1);
}

TEST_CASE("how many samples a percentile needs") {
  CHECK(samples_needed(0.5) == 7);
  CHECK(samples_needed(0.9) == 29);
  CHECK(samples_needed(0.95) == 59);
  CHECK(samples_needed(0.99) == 299);
  CHECK(samples_needed(0.999) == 2995);
  CHECK_FALSE(report_quantile(counted(298), 0.99).enough);
  CHECK(report_quantile(counted(299), 0.99).enough);
  CHECK(report_quantile(counted(299), 0.99).value == 297);
}

TEST_CASE("order-statistic intervals are those of the tables") {
  // n = 10: ranks 2 and 9 (97.9 %), n = 20: 6 and 15 (95.9 %): Conover, Practical Nonparametric Statistics.
  const auto ten = quantile_interval(counted(10), 0.5, 0.95);
  REQUIRE(ten);
  CHECK(ten->low == 2);
  CHECK(ten->high == 9);
  const auto twenty = quantile_interval(counted(20), 0.5, 0.95);
  REQUIRE(twenty);
  CHECK(twenty->low == 6);
  CHECK(twenty->high == 15);
  CHECK_FALSE(quantile_interval(counted(5), 0.5, 0.95));
  CHECK_FALSE(quantile_interval(counted(50), 0.99, 0.95));
}

TEST_CASE("intervals of the median cover the truth as often as they say") {
  int by_bootstrap = 0;
  int by_order = 0;
  constexpr int k_trials = 200;
  for (int trial = 0; trial < k_trials; ++trial) {
    Samples samples = normal(30, 100, 10, static_cast<std::uint64_t>(trial) + 1);
    const Interval boot = median_interval(samples, 0.95, 7);
    if (boot.low <= 100 && 100 <= boot.high) ++by_bootstrap;
    std::sort(samples.begin(), samples.end());
    const auto order = quantile_interval(samples, 0.5, 0.95);
    REQUIRE(order);
    if (order->low <= 100 && 100 <= order->high) ++by_order;
  }
  CHECK(by_bootstrap >= 180);
  CHECK(by_order >= 184);
}

TEST_CASE("the computed bootstrap of many samples is the drawn one") {
  const Samples samples = normal(201, 100, 10, 17);
  const Interval computed = median_interval(samples, 0.95, 1);
  Random random(5);
  Samples drawn;
  Samples medians;
  for (int i = 0; i < 4000; ++i) {
    resample(samples, random, drawn);
    medians.push_back(median_of(drawn));
  }
  const Interval simulated = percentile_interval(medians, 0.95);
  CHECK(computed.low == doctest::Approx(simulated.low).epsilon(0.003));
  CHECK(computed.high == doctest::Approx(simulated.high).epsilon(0.003));
}

TEST_CASE("the same seed gives the same interval") {
  const Samples samples = normal(40, 5, 1, 3);
  const Interval first = median_interval(samples, 0.95, 11);
  const Interval again = median_interval(samples, 0.95, 11);
  CHECK(first.low == again.low);
  CHECK(first.high == again.high);
  CHECK(first.low < median_of(samples));
  CHECK(first.high > median_of(samples));
}

TEST_CASE("the random numbers are those of xoshiro256** in every place") {
  Random random(1);
  CHECK(random.next() == 12966619160104079557U);
  CHECK(random.next() == 9600361134598540522U);
  double sum = 0;
  for (int i = 0; i < 100'000; ++i)
    sum += random.exponential();
  CHECK(sum / 100'000 == doctest::Approx(1).epsilon(0.02));
}

TEST_CASE("outliers are counted, a slow first run is named") {
  Samples samples = normal(50, 100, 1, 5);
  CHECK(find_outliers(samples).count == 0);
  samples[20] = 200;
  CHECK(find_outliers(samples).count == 1);
  CHECK_FALSE(find_outliers(samples).slow_first);
  samples[0] = 150;
  CHECK(find_outliers(samples).slow_first);
  samples[0] = 20; // fast is no slow first run
  CHECK_FALSE(find_outliers(samples).slow_first);
  CHECK(find_outliers(Samples(20, 5.0)).count == 0);
  CHECK(find_outliers(Samples{1, 100}).count == 0);
}

TEST_CASE("Mann–Whitney against published values") {
  // Hollander & Wolfe's permeability data: U = 35 of 50, two-sided normal approximation with continuity
  // correction 0.2544.
  const Samples a = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
  const Samples b = {1.15, 0.88, 0.90, 0.74, 1.21};
  CHECK(mann_whitney_p(a, b) == doctest::Approx(0.2446).epsilon(0.01));
  CHECK(mann_whitney_p(a, a) == doctest::Approx(1));
  CHECK(mann_whitney_p(Samples(5, 1.0), Samples(5, 1.0)) == 1);
  CHECK(mann_whitney_p(normal(50, 100, 1, 1), normal(50, 103, 1, 2)) < 1e-9);
  CHECK(mann_whitney_p({}, b) == 1);
}

TEST_CASE("a slope and its significance") {
  Samples x = counted(50);
  Samples y;
  Random random(9);
  for (const double at : x)
    y.push_back(2 * at + random.normal());
  CHECK(fit_slope(x, y).per_unit == doctest::Approx(2).epsilon(0.02));
  CHECK(fit_slope(x, y).t > 50);
  CHECK(std::abs(fit_slope(x, normal(50, 0, 1, 4)).t) < 3);
  CHECK(fit_slope({}, {}).t == 0);
}

TEST_CASE("drift is found where there is one, and only there") {
  Samples steady = normal(300, 100, 5, 21);
  CHECK_FALSE(find_drift(steady).significant());
  for (std::size_t i = 0; i < steady.size(); ++i)
    steady[i] *= 1 + 0.2 * static_cast<double>(i) / 300;
  const Drift drift = find_drift(steady);
  CHECK(drift.significant());
  CHECK(drift.change == doctest::Approx(0.18).epsilon(0.25));
  CHECK_FALSE(find_drift(counted(19)).significant());
}

} // namespace
} // namespace mrun::bench
