// The result for other programs and for CI.
#pragma once

#include <string>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// part,metric,n,value,unit,ci_low,ci_high
std::string csv_report(const BenchResult& result);
// For a pull request or GITHUB_STEP_SUMMARY.
std::string markdown_report(const BenchResult& result);
// One suite: validity, each part, each SLO, each gate. A regression or a missed SLO is a failure, an invalid
// result and failed predictions are errors, an inconclusive gate is skipped (tests/e2e/junit_schema.py has
// the schema).
std::string junit_report(const BenchResult& result);
// Workflow commands, a line each: ::error, ::warning, ::notice.
std::string github_annotations(const BenchResult& result);

} // namespace mrun::bench
