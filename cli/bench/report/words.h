// How figures are worded, in every report alike.
#pragma once

#include <string>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

// Three significant digits in the unit that fits: "117 ms", "1.82 s", "830 µs".
std::string time_words(double ns);
// "p95 140 ms", or "p99 – (needs n≥299, have 200)".
std::string quantile_words(const Quantile& quantile, std::size_t n);
std::string quantile_value(const Quantile& quantile); // "140 ms" or "–"
std::string quantile_name(double p);                  // "p99.9"
std::string percent_words(double ratio);              // "+1.2 %" of 1.012
// "1.2 ms" or "310 MiB" by the row's unit.
std::string value_words(const CompareRow& row, double value);
std::string verdict_words(const CompareRow& row);    // "pass", "inconclusive (need n≥12 more)"
std::string judged_words(const BenchResult& result); // "VALID", "INVALID", "PARTIAL"
// Mean nanoseconds of each phase over the cold runs, those of 0 left out; with "client" and what a pull took
// in "fetch". They add up to the mean total.
struct PhaseShare {
  std::string name;
  double mean_ns = 0;
};
std::vector<PhaseShare> phase_shares(const ColdPart& part);
std::vector<PhaseShare> phases_of_run(const ColdRun& run);
// Bytes that one cold run read from disk, the median; nullopt when the daemon did not say.
std::optional<double> median_read_bytes(const ColdPart& part);
std::optional<double> median_major_faults(const ColdPart& part);
// "0.42 EUR", "unknown (no rate is set)".
std::string cost_words(const CostFacts& cost);

} // namespace mrun::bench
