// A baseline that was measured earlier: result files of `mrun bench`.
#pragma once

#include <string>
#include <vector>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// What the gate needs of an earlier result.
struct StoredRun {
  std::string file;
  std::string id;
  std::string fingerprint, device; // where
  std::string model, digest;
  std::string created; // RFC 3339
  bool valid = false;
  bool doubted = false; // its own gate did not say `pass` or `improved` of each gated metric
  std::string tier;
  std::string inputs; // what was given, as JSON text
  Samples warm_ns, cold_ns, memory_bytes;
};

// Files of one result (JSON) or of several (a line each), at most 1,000 in all; sorted by when they were
// measured. Error bench_baseline with file and line.
Result<std::vector<StoredRun>> read_stored(const std::vector<std::string>& files);

// Those that may be compared with this subject: valid, of the same model and inputs, with a part that is
// measured now. Error bench_baseline when there is none, or none that --pin names or that a gate let pass.
Result<std::vector<StoredRun>> comparable_runs(std::vector<StoredRun> runs, const BenchResult& result);

// Compares with the run that --pin names, else with the newest that no gate has doubted, so that a regression
// which was appended to the file does not become the next baseline; runs of this machine and device first.
// How much runs differ by themselves is estimated from those that share the baseline's machine and device. A
// baseline from elsewhere never decides.
void judge_against(BenchResult& result, const std::vector<StoredRun>& runs);

} // namespace mrun::bench
