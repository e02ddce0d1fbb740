// The regression gate: is the new one slower than the baseline?
//
// regressed  ⇔ the ratio's point is above 1 + tolerance, and its lower one-sided 95 % bound is above
//              1 + tolerance/2, and there are 5 interleaved blocks (or 30 samples a side of a stored
//              baseline);
// improved   ⇔ the mirror image (below 1 − tolerance, upper bound below 1 − tolerance/2);
// pass       ⇔ neither, and the upper bound is below 1 + tolerance: a slow-down beyond it is ruled out;
// inconclusive otherwise, with how many more samples would decide.
//
// Why not a p-value: samples of one run share its conditions, so a stored baseline at 3 % run-to-run shift
// makes a rank test cry wolf in a third of all runs. Interleaved blocks share the shift on both sides.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "cli/bench/stats/bootstrap.h"

namespace mrun::bench {

enum class Verdict { pass, regressed, improved, inconclusive };
std::string_view verdict_name(Verdict verdict);

// Samples of both sides that were taken together.
struct Block {
  Samples base;
  Samples fresh;
};

struct GateOptions {
  double tolerance = 0.05;
  double quantile = 0.5;
  double confidence = 0.95; // one-sided
  std::uint64_t seed = 1;
  std::size_t resamples = k_resamples;
};

struct Judgement {
  double base = 0;
  double fresh = 0;
  double ratio = 1;          // fresh / base
  Interval interval{1, 1};   // between the two one-sided bounds
  double p = 1;              // Mann–Whitney, information
  double tolerance = 0;      // what was judged by: widened by a stored baseline's shift
  std::size_t need_more = 0; // samples a side, of an inconclusive one; 0: more would not help
  Verdict verdict = Verdict::inconclusive;
  std::string reason; // of an inconclusive one
};

inline constexpr std::size_t k_least_blocks = 5;
inline constexpr std::size_t k_least_stored = 30;
inline constexpr std::size_t k_least_history = 5;
inline constexpr double k_widest = 5; // times the tolerance that was asked for

// How much runs differ by themselves.
struct RunShift {
  double deviation = 0;    // standard deviation of ln(quantile) from run to run
  std::size_t freedom = 0; // degrees of freedom of its estimate
};

// Each block is divided by its own level (the geometric mean of its two medians), which takes the shift out;
// the point is the ratio of the quantiles of what is pooled then, bootstrapped over blocks, then over samples
// in them. Simulated against the mean of the blocks' ratios, in which a few outliers in blocks of 6 widen the
// interval: at 3 % noise this passes 99 % of A/A runs instead of 64 % and catches +10 % always instead of in
// 7 of 10 (5 blocks); at 10 % noise it catches +10 % in 79 % instead of 69 % (10 blocks). Dividing by the
// median of both sides together would pull the ratio towards 1. No block is empty on either side.
Judgement judge_blocks(std::span<const Block> blocks, const GateOptions& options);

// `shift`: by run_shift(); unknown: the verdict stays inconclusive. The tolerance is widened by t·√2·shift,
// since both sides have one; t is Student's one-sided 95 %, since the shift is only estimated. Where that
// makes more than five times what was asked for, `pass` would say next to nothing, and is `inconclusive`.
Judgement judge_stored(std::span<const double> base, std::span<const double> fresh,
                       std::optional<RunShift> shift, const GateOptions& options);

// Of the same quantile in earlier runs, by version: pooled over the versions' own means, so that a version
// which is slower does not count as noise. nullopt when they are worth fewer than 5 runs of one version.
std::optional<RunShift> run_shift(std::span<const Samples> versions);

} // namespace mrun::bench
