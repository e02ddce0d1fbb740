// What a benchmark is asked to do: the command line, checked.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/arguments.h"
#include "cli/bench/load/schedule.h"

namespace mrun::bench {

// How far a cold run's state is reset. Each does what the one before does, and more.
enum class Tier { process, disk, host, pull };
std::string_view tier_name(Tier tier);

// What must hold: "p95=500ms", "error_rate=0.1%".
struct Slo {
  std::map<double, std::int64_t> quantiles_ns; // by quantile: 0.95
  std::optional<double> error_rate;            // 0.001

  bool empty() const { return quantiles_ns.empty() && !error_rate; }
  std::string text() const; // "p95≤500 ms, error rate≤0.1 %"
};

// What may become slower, by metric (p50, p95, cold, rss), as a ratio: 0.05.
using Tolerances = std::map<std::string, double>;

struct Options {
  bool cold = true, warm = true, load = false;
  Tier tier = Tier::process;
  std::size_t runs = 10;                     // cold
  std::int64_t duration_ns = 10'000'000'000; // of the warm part, and of each step of a load
  std::optional<std::size_t> warmup;         // requests; nullopt: until it is steady
  std::vector<std::size_t> concurrency;      // closed loops; empty: found
  std::vector<double> rates;                 // open loops; empty: chosen below the ceiling
  bool rates_given = false;
  bool auto_rates = false; // --rate auto
  Arrival arrival = Arrival::poisson;
  Slo slo;
  std::uint64_t seed = 1;
  std::int64_t timeout_ns = 60'000'000'000;
  std::vector<std::string> baselines; // one reference, or files
  std::string pin;                    // of the files' results, the one to compare with; "": the newest
  Tolerances tolerances;
  double confidence = 0.95;
  std::size_t blocks = 10;
  bool strict = false;
  bool fail_inconclusive = false;
  bool drop_caches = false;
  std::vector<std::string> inputs; // as given to -i
  std::string cases_file;          // --inputs
  std::string device = "auto";
};

// Errors: usage, flag_value.
Result<Options> parse_options(const cli::Arguments& arguments);

} // namespace mrun::bench
