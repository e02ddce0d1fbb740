// What a result amounts to: exit code, SLOs, the knee, cost; and that its reports agree.
#include <algorithm>

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/bench/measure/cost.h"
#include "cli/bench/measure/load_judge.h"
#include "cli/bench/measure/slo.h"
#include "cli/bench/measure/validity.h"
#include "cli/bench/report/ci_reports.h"
#include "cli/bench/report/result_json.h"
#include "cli/bench/tests/results.h"

namespace mrun::bench {
namespace {

TEST_CASE("exit codes: failed predictions, gates, SLOs") {
  BenchResult result = result_of(10, 50);
  CHECK(result.exit_code() == 0);
  result.slo.push_back({"warm p95", "1 ms", "16 ms", false});
  CHECK(result.exit_code() == 3);
  result.slo.clear();
  result.compare.emplace();
  result.compare->rows.push_back({"p50", "ns", true, {}});
  CHECK(result.exit_code() == 0); // inconclusive
  result.options.fail_inconclusive = true;
  CHECK(result.exit_code() == 3);
  result.options.fail_inconclusive = false;
  result.compare->rows[0].judgement.verdict = Verdict::regressed;
  CHECK(result.exit_code() == 3);
  result.compare->rows[0].gated = false;
  CHECK(result.exit_code() == 0);
  result.note("warm", failed_sample("M1401: no"));
  result.note("warm", failed_sample("M1401: no"));
  CHECK(result.failures.size() == 1);
  CHECK(result.failures[0].count == 2);
  CHECK(result.exit_code() == 1);
  result.options.slo.error_rate = 0.5; // failures are what the SLO judges, where a row speaks of them
  CHECK(result.exit_code() == 1);
  judge_parts(result);
  CHECK(result.exit_code() == 3); // both failed
  result.slo.clear();
  result.note("warm", sample_of(k_ms));
  result.note("warm", sample_of(k_ms));
  judge_parts(result);
  CHECK(result.exit_code() == 0);
  result.note("first prediction", failed_sample("M1401: no")); // of which no row speaks
  CHECK(result.exit_code() == 1);
}

TEST_CASE("the error rate of a part is that of all its predictions, whatever their kinds") {
  BenchResult result = result_of(0, 0);
  result.warm.emplace();
  for (int i = 0; i < 30; ++i)
    result.note("warm", failed_sample(fmt::format("problem {}", i)));
  result.note("cold", failed_sample("problem of another part"));
  for (int i = 0; i < 70; ++i)
    result.note("warm", sample_of(k_ms));
  CHECK(result.parts.at("warm").failed == 30);
  CHECK(result.failures.size() == 22); // 20 kinds, and one more for the others of each part
  std::size_t told = 0;
  for (const Failure& failure : result.failures)
    told += failure.count;
  CHECK(told == 31);
  result.options.slo.error_rate = 0.25;
  judge_parts(result);
  const auto warm = std::ranges::find(result.slo, "warm error rate", &SloRow::what);
  REQUIRE(warm != result.slo.end());
  CHECK(warm->value == "30 %");
  CHECK_FALSE(warm->ok);
  CHECK(result_json(result)["parts"]["warm"] == Json{{"ended", 100}, {"failed", 30}});
}

TEST_CASE("a rate that was asked for and refused does not pass") {
  const auto result_at = [](int refused, const char* slo_rate, bool given) {
    BenchResult result = result_of(0, 0);
    result.options.rates_given = given;
    if (slo_rate != nullptr) result.options.slo.error_rate = std::stod(slo_rate);
    LoadStep step = step_of(StepKind::poisson, 300, 100);
    for (int i = 0; i < refused; ++i) {
      step.samples[static_cast<std::size_t>(i)].outcome = Outcome::refused;
      step.samples[static_cast<std::size_t>(i)].problem = "M1405: the queue is full";
    }
    for (Sample& sample : step.samples)
      sample.server.cold_start = false;
    keep_step(result, std::move(step), given);
    judge_validity(result);
    return result;
  };
  const BenchResult over = result_at(58, nullptr, true);
  CHECK(over.exit_code() == 1);
  REQUIRE(over.warnings.size() == 1);
  CHECK(has(over.warnings[0], "overloaded: 58 of 100 requests were refused"));
  CHECK(result_at(1, nullptr, true).exit_code() == 0);
  CHECK(result_at(58, "0.6", true).exit_code() == 0); // its row judges it
  CHECK(result_at(58, "0.5", true).exit_code() == 3);
  CHECK(result_at(58, nullptr, false).exit_code() == 0); // of a sweep
}

TEST_CASE("warm answers that waited for a load make a result invalid") {
  const auto reasons = [](const std::string& part, int cold, int warm) {
    BenchResult result = result_of(0, 50);
    for (int i = 0; i < cold + warm; ++i) {
      Sample sample = sample_of(k_ms);
      sample.server.cold_start = i < cold;
      result.note(part, sample);
    }
    judge_validity(result);
    return fmt::format("{}|{}", fmt::join(result.invalid_reasons, "; "), fmt::join(result.warnings, "; "));
  };
  CHECK(has(reasons("warm", 1, 59), "warm: 1 of 60 answers were cold starts|"));
  CHECK(has(reasons("warm, baseline", 12, 48), "warm, baseline: 12 of 60 answers were cold starts|"));
  CHECK(reasons("warm", 0, 60) == "|");
  CHECK(reasons("warm-up", 1, 2) == "|");
  CHECK(reasons("cold", 7, 0) == "|");
  CHECK(has(reasons("load closed 2", 2, 98), "load closed 2: 2 of 100 answers were cold starts|"));
  CHECK(has(reasons("load closed 2", 1, 99), "|load closed 2: 1 of 100 answers were cold starts"));
}

TEST_CASE("each part has its own error rate: cold starts and the baseline too") {
  BenchResult result = result_of(7, 50);
  result.options.slo.error_rate = 0.1;
  for (const char* part :
       {"cold", "cold, baseline", "warm", "warm, baseline", "warm-up", "warm-up, baseline"})
    for (int i = 0; i < 10; ++i)
      result.note(part, sample_of(k_ms));
  judge_parts(result);
  CHECK(result.slo.size() == 4); // a warm-up in which all went well is not worth a row
  CHECK(result.exit_code() == 0);
  for (const char* part : {"cold", "cold, baseline", "warm", "warm, baseline", "warm-up"}) {
    BenchResult broken = result;
    broken.slo.clear();
    for (int i = 0; i < 3; ++i)
      broken.note(part, failed_sample("M1401: no"));
    judge_parts(broken);
    const auto row = std::ranges::find(broken.slo, part + std::string(" error rate"), &SloRow::what);
    REQUIRE_MESSAGE(row != broken.slo.end(), part);
    CHECK_FALSE(row->ok);
    CHECK(broken.exit_code() == 3);
  }
}

TEST_CASE("cold starts alone are judged by the limits, beside a warm part they are not") {
  BenchResult cold = result_of(10, 0);
  cold.options.warm = false;
  cold.options.slo.quantiles_ns[0.5] = k_ms;
  judge_parts(cold);
  REQUIRE(cold.slo.size() == 1);
  CHECK(cold.slo[0].what == "cold process p50");
  CHECK(cold.exit_code() == 3);
  BenchResult both = result_of(10, 50);
  both.options.slo.quantiles_ns[0.5] = 20 * k_ms; // 100 ms are the cold start's
  judge_parts(both);
  REQUIRE(both.slo.size() == 1);
  CHECK(both.slo[0].what == "warm p50");
  CHECK(both.exit_code() == 0);
}

void add_outcomes(LoadStep& step, Outcome outcome, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) {
    Sample sample = failed_sample("M1403: the queue is full");
    sample.outcome = outcome;
    step.samples.push_back(std::move(sample));
  }
}

TEST_CASE("whoever is refused, fails or is never sent has missed the latency limit") {
  for (const Outcome outcome : {Outcome::refused, Outcome::failed, Outcome::unanswered}) {
    BenchResult result = result_of(0, 0);
    result.options.slo.quantiles_ns[0.5] = 2'000 * k_ms;
    LoadStep step = step_of(StepKind::poisson, 200, 102);
    add_outcomes(step, outcome, 899);
    keep_step(result, std::move(step), true);
    REQUIRE(result.slo.size() == 1);
    CHECK_FALSE(result.slo[0].ok);
    CHECK(result.slo[0].value == "899 of 1001 got no answer");
    CHECK_FALSE(result.load[0].meets_slo);
    if (outcome == Outcome::refused) CHECK(result.exit_code() == 3);
    find_knee(result);
    CHECK_FALSE(result.knee);
  }
  BenchResult result = result_of(0, 0);
  result.options.slo.quantiles_ns[0.95] = 2'000 * k_ms;
  LoadStep step = step_of(StepKind::poisson, 200, 97);
  add_outcomes(step, Outcome::refused, 3); // 95 of 100 got theirs in time
  keep_step(result, std::move(step), true);
  CHECK(result.slo[0].ok);
  result.slo.clear();
  step = step_of(StepKind::poisson, 200, 97);
  step.dropped = 10;
  keep_step(result, std::move(step), true);
  CHECK_FALSE(result.slo[0].ok);
}

TEST_CASE("a saturated step that was asked for misses, whatever the limit") {
  BenchResult result = result_of(0, 0);
  result.options.slo.quantiles_ns[0.5] = 60'000 * k_ms;
  LoadStep step = step_of(StepKind::poisson, 60, 400);
  add_outcomes(step, Outcome::pending, 163);
  step.saturated = true;
  keep_step(result, step, true);
  REQUIRE(result.slo.size() == 2);
  CHECK(result.slo[1].value == "saturated, 163 unfinished");
  CHECK_FALSE(result.load[0].meets_slo);
  CHECK(result.exit_code() == 3);
  BenchResult sweep = result_of(0, 0);
  sweep.options.slo = result.options.slo;
  keep_step(sweep, step, false); // of a sweep some rate must do, not each
  CHECK(sweep.slo.empty());
}

TEST_CASE("the knee stands on a step that was run to its end and has answers enough") {
  const auto knee_of = [](const LoadStep& step) {
    BenchResult result = result_of(0, 0);
    keep_step(result, step, false);
    find_knee(result);
    return result.knee;
  };
  const LoadStep good = step_of(StepKind::poisson, 20, 90);
  CHECK(knee_of(good) == 20);
  LoadStep step = good;
  step.interrupted = true;
  CHECK_FALSE(knee_of(step));
  step = good;
  step.saturated = true;
  CHECK_FALSE(knee_of(step));
  step = good;
  step.late_send_p99_ns = 50 * k_ms;
  CHECK_FALSE(knee_of(step));
  step = good;
  step.dropped = 1;
  CHECK_FALSE(knee_of(step));
  CHECK_FALSE(knee_of(step_of(StepKind::poisson, 0.1, 1)));
  CHECK_FALSE(knee_of(step_of(StepKind::closed, 0, 90)));
  step = good;
  add_outcomes(step, Outcome::refused, 2); // over 1 %
  CHECK_FALSE(knee_of(step));
}

TEST_CASE("goodput counts who was served within the highest percentile's limit") {
  BenchResult result = result_of(0, 0);
  result.options.slo.quantiles_ns = {{0.5, 25 * k_ms}, {0.99, 60 * k_ms}};
  keep_step(result, step_of(StepKind::poisson, 50, 50), false); // 20 to 69 ms within a second
  CHECK(result.load[0].goodput == doctest::Approx(41));
}

TEST_CASE("exit code, JUnit and annotations are of one mind") {
  const auto has_error = [](const BenchResult& result) {
    return has(github_annotations(result), "::error ");
  };
  const auto fails = [](const BenchResult& result) {
    const std::string xml = junit_report(result);
    return !has(xml, "failures=\"0\" errors=\"0\"");
  };
  std::vector<BenchResult> results;
  results.push_back(result_of(10, 50)); // good
  results.push_back(result_of(10, 50)); // failures that the SLO allows
  results.back().options.slo.error_rate = 0.5;
  results.back().note("warm", failed_sample("M1401: no"));
  results.back().note("warm", sample_of(k_ms));
  judge_parts(results.back());
  results.push_back(result_of(10, 50)); // failures that nobody judges
  results.back().note("warm", failed_sample("M1401: no"));
  results.push_back(result_of(3, 0)); // not valid
  judge_validity(results.back());
  results.push_back(result_of(10, 50)); // an SLO missed
  results.back().slo.push_back({"warm p95", "1 ms", "16 ms", false});
  for (const Verdict verdict : {Verdict::pass, Verdict::improved, Verdict::regressed, Verdict::inconclusive})
    for (const bool strict : {false, true}) {
      results.push_back(result_of(10, 50));
      results.back().options.fail_inconclusive = strict;
      results.back().compare.emplace();
      results.back().compare->rows.push_back({"p50", "ns", true, {}});
      results.back().compare->rows[0].judgement.verdict = verdict;
    }
  for (const BenchResult& result : results) {
    const bool bad = result.exit_code() != 0;
    CAPTURE(junit_report(result));
    CHECK(fails(result) == bad);
    CHECK(has_error(result) == bad);
  }
  CHECK(results[1].exit_code() == 0);
  CHECK(has(github_annotations(results[1]), "::notice title=mrun bench%3A warm failed"));
  CHECK(has(junit_report(results[results.size() - 2]), "<skipped")); // inconclusive, and not asked to fail
  CHECK(has(junit_report(results.back()), "<failure"));
}

TEST_CASE("an unknown cost has its reason") {
  const auto cost_of = [](std::vector<Sample> samples) {
    BenchResult result = result_of(0, 0);
    result.warm.emplace();
    result.warm->samples = std::move(samples);
    add_cost(result);
    return *result.cost;
  };
  CHECK(cost_of({sample_of(k_ms), sample_of(k_ms)}).per_1000->text() == "0.001");
  Sample unknown = sample_of(k_ms);
  unknown.server.cost.reset();
  unknown.server.cost_reason = "no rate is set: put one";
  CHECK(cost_of({sample_of(k_ms), unknown}).reason == "no rate is set: put one");
  unknown.server.cost_reason = "";
  CHECK(has(cost_of({unknown}).reason, "no amount that can be read"));
  Sample huge = sample_of(k_ms);
  huge.server.cost = *Money::parse("9000000", ErrorCode::usage);
  CHECK(cost_of({huge, huge}).reason == "the sum is too large");
  CHECK(cost_of({huge}).reason == "the sum is too large"); // of 1,000
  Sample dollars = sample_of(k_ms);
  dollars.server.cost_currency = "USD";
  CHECK(cost_of({sample_of(k_ms), dollars}).reason == "predictions cost EUR and USD");
}

TEST_CASE("what a saturated step left unanswered has not failed, what was dropped has") {
  LoadStep step = step_of(StepKind::poisson, 100, 90);
  for (int i = 0; i < 10; ++i)
    step.samples.emplace_back(); // pending
  CHECK(step.error_rate() == 0);
  step.dropped = 10;
  CHECK(step.error_rate() == doctest::Approx(0.1));
}

} // namespace
} // namespace mrun::bench
