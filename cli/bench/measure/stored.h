// A baseline that was measured earlier: result files of `mrun bench`.
#pragma once

#include <string>
#include <vector>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// What the gate needs of an earlier result.
struct StoredRun {
  std::string file;
  std::string fingerprint;
  std::string model, digest;
  std::string created; // RFC 3339
  bool valid = false;
  std::string tier;
  std::string inputs; // what was given, as JSON text
  Samples warm_ns, cold_ns, memory_bytes;
};

// Files of one result (JSON) or of several (a line each), at most 1,000 in all; sorted by when they were
// measured. Error bench_baseline with file and line.
Result<std::vector<StoredRun>> read_stored(const std::vector<std::string>& files);

// Compares with the newest run; how much runs differ by themselves is estimated from all of them. Adds
// warnings for another machine, other inputs, runs that were not valid.
void judge_against(BenchResult& result, const std::vector<StoredRun>& runs);

} // namespace mrun::bench
