// The result as flat rows, which CSV, Markdown and JUnit share.
#pragma once

#include <string>
#include <vector>

#include "cli/bench/measure/result.h"

namespace mrun::bench {

struct MetricRow {
  std::string part;   // "cold process", "warm", "load poisson 5/s"
  std::string metric; // "p50", "spawn", "achieved"
  std::size_t n = 0;
  std::optional<double> value;      // nullopt: n is too small
  std::string unit;                 // ns, bytes, per_s, ratio
  std::optional<Interval> interval; // 95 %
};

std::vector<MetricRow> metric_rows(const BenchResult& result);
// "117 ms", "8.4/s", "–".
std::string metric_words(const MetricRow& row);

} // namespace mrun::bench
