// What a benchmark measured: raw samples, and whether they may be believed. docs/formats/bench.md is its
// JSON.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cli/bench/load/sample.h"
#include "cli/bench/load/schedule.h"
#include "cli/bench/measure/options.h"
#include "cli/bench/stats/gate.h"
#include "cli/bench/stats/outliers.h"
#include "cli/bench/stats/trend.h"

namespace mrun::bench {

// Samples in words: of latencies in ns, of memory in bytes.
struct Summary {
  std::size_t n = 0;
  double min = 0, max = 0, mean = 0, deviation = 0;
  std::vector<Quantile> quantiles; // of k_reported_quantiles
  std::optional<Interval> median;  // bootstrap, 95 %; only when the median may be reported
  Outliers outliers;
  Drift drift;

  const Quantile& at(double p) const;
};
// Samples in the order of time. Of none: n = 0, quantiles without values.
Summary summarize(const Samples& samples, std::uint64_t seed);

struct MachineFacts {
  std::string fingerprint; // of what below makes two machines compare: cpu, cores, memory, gpu, virt
  std::string cpu;
  int cores = 0; // that this process may use
  std::string governor;
  std::uint64_t memory_bytes = 0;
  std::vector<std::string> gpus;
  std::string kernel;
  std::string file_system; // of the store
  std::string virtualization, container;
};

struct SubjectFacts {
  std::string reference; // as given
  std::string model;
  std::string digest; // 64 hex
  std::uint64_t size_bytes = 0;
  int concurrency = 1;      // that the model allows in one worker
  std::string cases_digest; // of --inputs' text, 64 hex; "" without
};

struct ColdRun {
  Sample sample;
  std::int64_t fetch_ns = 0;              // of a pull, before the prediction was sent
  std::optional<double> residency_before; // of the bundle's bytes, how much was in the page cache
  std::string not_cold;                   // why it is none; "" for a cold one

  std::int64_t total_ns() const { return fetch_ns + sample.latency_ns(); }
  // What connecting, sending and reading cost outside of the daemon.
  std::int64_t client_ns() const { return sample.latency_ns() - sample.server.total_ns; }
};

struct ColdPart {
  Tier tier = Tier::process;
  std::vector<ColdRun> runs; // those that succeeded
  Samples totals() const;
  Samples memory() const;
};

struct WarmPart {
  std::vector<Sample> samples; // those that succeeded
  std::size_t warmup_requests = 0;
  bool settled = true;
  std::int64_t elapsed_ns = 0;
  Samples latencies() const;
  Samples overheads() const;     // latency − the daemon's total
  Samples first_outputs() const; // of streams
};

enum class StepKind { closed, poisson, constant };
std::string_view step_kind_name(StepKind kind);

struct LoadStep {
  StepKind kind = StepKind::closed;
  std::size_t concurrency = 0; // closed
  double rate = 0;             // open: asked for, per second
  std::vector<Sample> samples; // all that were sent
  std::size_t dropped = 0;
  std::int64_t elapsed_ns = 0;
  std::int64_t duration_ns = 0; // in which requests were sent
  std::int64_t late_send_p99_ns = 0;
  bool saturated = false;
  bool interrupted = false;
  bool generator_late = false;
  double achieved = 0; // successes per second
  double goodput = 0;  // of them, per second, within the limit of the SLO's highest percentile
  bool meets_slo = true;

  std::string name() const; // "closed 4", "poisson 12.5/s"
  // Run to its end, by a generator and a server that kept up.
  bool is_whole() const { return !interrupted && !saturated && !generator_late && dropped == 0; }
  std::size_t due() const { return samples.size() + dropped; }
  // An open loop of which more than 1 % were refused: the rate is more than the server takes.
  bool is_overloaded() const { return kind != StepKind::closed && count(Outcome::refused) * 100 > due(); }
  std::size_t count(Outcome outcome) const;
  double error_rate() const; // of what was due: everything but success
  Samples latencies() const; // of successes, in the order of time
  Samples queues() const;
  Samples predicts() const;
};

struct Failure {
  std::string part; // cold, warm, load …
  std::size_t count = 0;
  std::string problem;
};

// Of one part: how many predictions ended, how many of them not well, and how many had to wait for a load.
struct PartCount {
  std::size_t ended = 0;
  std::size_t failed = 0;
  std::size_t cold_starts = 0;
  bool judged = false; // an SLO on the error rate speaks of them
};

struct CompareRow {
  std::string metric; // p50, p95, cold, rss
  std::string unit;   // ns, bytes
  bool gated = false;
  Judgement judgement;
};

struct Comparison {
  std::string reference; // as given
  std::string digest;
  bool interleaved = false;
  std::vector<CompareRow> rows;
  ColdPart cold; // the baseline's own samples
  Samples warm_ns;
};

struct CostFacts {
  // Of one prediction, the mean of those that succeeded; unknown: nullopt with the reason.
  std::optional<Money> per_1000;
  std::string currency;
  std::string reason;
  std::optional<Money> reference_per_1000;
  std::string reference_name;
};

struct SloRow {
  std::string what; // "warm p95", "load poisson 5/s error rate"
  std::string limit, value;
  bool ok = true;
};

struct BenchResult {
  std::string id;
  std::int64_t created_ns = 0;
  bool partial = false;
  std::string stopped; // the error that ended it early; "" when none did
  std::vector<std::string> invalid_reasons;
  std::vector<std::string> warnings;
  MachineFacts machine;
  SubjectFacts subject;
  Options options;
  std::vector<std::string> words; // the command line
  std::string device;
  std::optional<ColdPart> cold;
  std::optional<WarmPart> warm;
  std::vector<LoadStep> load;
  std::optional<double> ceiling; // successes per second, the best closed loop
  std::optional<double> knee; // the highest open rate that meets the SLO (without one: that is not saturated)
  std::optional<CostFacts> cost;
  std::optional<Comparison> compare;
  std::vector<SloRow> slo;
  std::vector<Failure> failures;          // by kind: at most 20, and one more a part for all others
  std::map<std::string, PartCount> parts; // whatever their kinds

  bool valid() const { return invalid_reasons.empty(); }
  // Counts a prediction that has ended; one that has not (pending) counts for nothing.
  void note(const std::string& part, const Sample& sample);
  bool is_judged(const Failure& failure) const { return parts.at(failure.part).judged; }
  // 0, 1 (predictions failed), 3 (a gate), 9 (not valid); docs/bench.md says which wins. Of checks.h.
  int exit_code() const;
};

} // namespace mrun::bench
