// What a result must hold, one by one. The exit code, JUnit and GitHub's annotations all speak of these, so
// that they never disagree.
#pragma once

#include <string>
#include <vector>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

enum class CheckState { passed, skipped, failed, error };

struct Check {
  std::string group; // bench, slo, gate
  std::string name;  // "result is valid", "warm p95", "p50 vs demo/x:prod"
  CheckState state = CheckState::passed;
  int exit_code = 0;        // that it asks for; 0 of one that passed or was skipped
  std::string message = {}; // why, or what was measured
};

// Validity, failed predictions, each limit of the SLO, each metric that is gated.
std::vector<Check> checks_of(const BenchResult& result);

} // namespace mrun::bench
