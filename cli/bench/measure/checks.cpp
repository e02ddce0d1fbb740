#include "cli/bench/measure/checks.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "cli/bench/report/words.h"

namespace mrun::bench {
namespace {

constexpr int k_failed_predictions = 1;
constexpr int k_missed = 3;
constexpr int k_not_valid = 9;

Check validity_check(const BenchResult& result) {
  Check check{"bench", "result is valid"};
  if (result.valid()) return check;
  check.state = CheckState::error;
  check.exit_code = k_not_valid;
  check.message = fmt::format("{}", fmt::join(result.invalid_reasons, "; "));
  return check;
}

// Failures that an SLO on the error rate speaks of are its own row's.
Check predictions_check(const BenchResult& result) {
  Check check{"bench", "predictions succeed"};
  for (const Failure& failure : result.failures) {
    check.message += fmt::format("{}{} × {}: {}", check.message.empty() ? "" : "; ", failure.count,
                                 failure.part, failure.problem);
    if (result.is_judged(failure)) continue;
    check.state = CheckState::error;
    check.exit_code = k_failed_predictions;
  }
  return check;
}

Check slo_check(const SloRow& row) {
  Check check{"slo", row.what};
  check.message = fmt::format("{}, the limit is {}", row.value, row.limit);
  if (row.ok) return check;
  check.state = CheckState::failed;
  check.exit_code = k_missed;
  return check;
}

Check gate_check(const BenchResult& result, const CompareRow& row) {
  Check check{"gate", fmt::format("{} vs {}", row.metric, result.compare->reference)};
  const Judgement& judgement = row.judgement;
  check.message =
      fmt::format("{} [{}, {}]: {}", percent_words(judgement.ratio), percent_words(judgement.interval.low),
                  percent_words(judgement.interval.high), verdict_words(row));
  const bool undecided = judgement.verdict == Verdict::inconclusive;
  if (undecided) check.state = CheckState::skipped;
  if (judgement.verdict == Verdict::regressed || (undecided && result.options.fail_inconclusive)) {
    check.state = CheckState::failed;
    check.exit_code = k_missed;
  }
  return check;
}

} // namespace

std::vector<Check> checks_of(const BenchResult& result) {
  std::vector<Check> checks = {validity_check(result), predictions_check(result)};
  for (const SloRow& row : result.slo)
    checks.push_back(slo_check(row));
  if (result.compare)
    for (const CompareRow& row : result.compare->rows)
      if (row.gated) checks.push_back(gate_check(result, row));
  return checks;
}

int BenchResult::exit_code() const {
  const std::vector<Check> checks = checks_of(*this);
  for (const int code : {k_failed_predictions, k_not_valid, k_missed})
    if (std::ranges::find(checks, code, &Check::exit_code) != checks.end()) return code;
  return 0;
}

} // namespace mrun::bench
