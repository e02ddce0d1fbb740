#include "cli/bench/stats/gate.h"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>

#include "cli/bench/stats/rank_test.h"
#include "common/error.h"

namespace mrun::bench {
namespace {

constexpr double k_one_sided_95 = 1.6448536269514722;

// Student's t, one-sided 95 %, by the expansion of Abramowitz and Stegun 26.7.5; within 1 % from 4 degrees
// on.
double student_95(std::size_t freedom) {
  constexpr double z = k_one_sided_95;
  constexpr double cube = z * z * z;
  const auto n = static_cast<double>(freedom);
  return z + (cube + z) / (4 * n) + (5 * cube * z * z + 16 * cube + 3 * z) / (96 * n * n);
}

struct Pool {
  Samples base;
  Samples fresh;
};

Pool pooled(std::span<const Block> blocks) {
  Pool pool;
  for (const Block& block : blocks) {
    pool.base.insert(pool.base.end(), block.base.begin(), block.base.end());
    pool.fresh.insert(pool.fresh.end(), block.fresh.begin(), block.fresh.end());
  }
  return pool;
}

// A block's own level, the geometric mean of its two medians, goes out of both its sides, so that what is
// pooled has no shift.
Pool levelled(std::span<const Block> blocks) {
  Pool pool;
  for (const Block& block : blocks) {
    const double level = std::sqrt(median_of(block.base) * median_of(block.fresh));
    for (const double value : block.base)
      pool.base.push_back(value / level);
    for (const double value : block.fresh)
      pool.fresh.push_back(value / level);
  }
  return pool;
}

double ratio_of(std::span<const Block> blocks, double quantile) {
  Pool pool = levelled(blocks);
  return quantile_of(std::move(pool.fresh), quantile) / quantile_of(std::move(pool.base), quantile);
}

Interval bootstrap_blocks(std::span<const Block> blocks, const GateOptions& options) {
  Random random(options.seed);
  std::vector<Block> drawn(blocks.size());
  Samples replicates(options.resamples);
  for (double& replicate : replicates) {
    for (Block& block : drawn) {
      const Block& source = blocks[random.below(blocks.size())];
      resample(source.base, random, block.base);
      resample(source.fresh, random, block.fresh);
    }
    replicate = ratio_of(drawn, options.quantile);
  }
  return percentile_interval(std::move(replicates), 2 * options.confidence - 1);
}

void conclude(Judgement& judgement, std::size_t samples, const std::string& too_few) {
  const double tolerance = judgement.tolerance;
  const double half_width = (judgement.interval.high - judgement.interval.low) / 2;
  const bool slower = judgement.ratio > 1 + tolerance && judgement.interval.low > 1 + tolerance / 2;
  const bool faster = judgement.ratio < 1 - tolerance && judgement.interval.high < 1 - tolerance / 2;
  if (!too_few.empty())
    judgement.reason = too_few;
  else if (slower)
    judgement.verdict = Verdict::regressed;
  else if (faster)
    judgement.verdict = Verdict::improved;
  else if (judgement.interval.high < 1 + tolerance)
    judgement.verdict = Verdict::pass;
  if (judgement.verdict != Verdict::inconclusive) return;
  // The bound's distance shrinks with the root of n; at half the tolerance both "no change" and "changed by
  // the tolerance twice" are told apart.
  const double grow = std::pow(half_width / (tolerance / 2), 2);
  const auto wanted = static_cast<std::size_t>(std::ceil(static_cast<double>(samples) * std::min(grow, 1e6)));
  judgement.need_more = std::max(judgement.need_more, wanted > samples ? wanted - samples : 0);
  if (judgement.reason.empty())
    judgement.reason = judgement.need_more > 0 ? fmt::format("need n≥{} more", judgement.need_more)
                                               : std::string("the change is about as large as the tolerance");
}

} // namespace

std::string_view verdict_name(Verdict verdict) {
  constexpr std::string_view k_names[] = {"pass", "regressed", "improved", "inconclusive"};
  return k_names[static_cast<std::size_t>(verdict)];
}

Judgement judge_blocks(std::span<const Block> blocks, const GateOptions& options) {
  MRUN_CHECK(!blocks.empty());
  for (const Block& block : blocks)
    MRUN_CHECK(!block.base.empty() && !block.fresh.empty());
  const Pool pool = pooled(blocks);
  Judgement judgement;
  judgement.tolerance = options.tolerance;
  judgement.base = quantile_of(pool.base, options.quantile);
  judgement.fresh = quantile_of(pool.fresh, options.quantile);
  judgement.ratio = ratio_of(blocks, options.quantile);
  judgement.interval = bootstrap_blocks(blocks, options);
  judgement.p = mann_whitney_p(pool.base, pool.fresh);
  const std::size_t least = std::min(pool.base.size(), pool.fresh.size());
  const std::size_t needed = samples_needed(options.quantile);
  std::string too_few;
  if (blocks.size() < k_least_blocks)
    too_few = fmt::format("{} blocks, {} are needed", blocks.size(), k_least_blocks);
  else if (least < needed)
    too_few = fmt::format("n={}, {} are needed", least, needed);
  if (blocks.size() < k_least_blocks)
    judgement.need_more = (k_least_blocks - blocks.size()) * std::max<std::size_t>(1, least / blocks.size());
  else if (least < needed)
    judgement.need_more = needed - least;
  conclude(judgement, least, too_few);
  return judgement;
}

Judgement judge_stored(std::span<const double> base, std::span<const double> fresh,
                       std::optional<RunShift> shift, const GateOptions& options) {
  MRUN_CHECK(!base.empty() && !fresh.empty());
  const Block all{Samples(base.begin(), base.end()), Samples(fresh.begin(), fresh.end())};
  Judgement judgement;
  judgement.base = quantile_of(all.base, options.quantile);
  judgement.fresh = quantile_of(all.fresh, options.quantile);
  judgement.ratio = judgement.fresh / judgement.base;
  judgement.interval = bootstrap_blocks(std::span(&all, 1), options);
  judgement.p = mann_whitney_p(base, fresh);
  judgement.tolerance =
      options.tolerance +
      (shift ? std::expm1(student_95(shift->freedom) * std::sqrt(2.0) * shift->deviation) : 0.0);
  const std::size_t least = std::min(base.size(), fresh.size());
  const std::size_t needed = std::max(k_least_stored, samples_needed(options.quantile));
  std::string too_few;
  if (least < needed) {
    too_few = fmt::format("n={}, {} a side are needed", least, needed);
    judgement.need_more = needed - least;
  } else if (!shift) {
    too_few = fmt::format("how much runs differ by themselves is unknown: give {} stored runs, or a model as "
                          "--baseline",
                          k_least_history);
  }
  conclude(judgement, least, too_few);
  if (judgement.verdict == Verdict::pass && judgement.tolerance > k_widest * options.tolerance) {
    judgement.verdict = Verdict::inconclusive;
    judgement.reason =
        fmt::format("runs differ so much by themselves that only a change beyond {:.0f} % shows: "
                    "give a model as --baseline",
                    judgement.tolerance * 100);
  }
  return judgement;
}

std::optional<RunShift> run_shift(std::span<const Samples> versions) {
  double squares = 0;
  std::size_t freedom = 0;
  for (const Samples& quantiles : versions) {
    if (quantiles.empty()) continue;
    Samples logs;
    for (const double value : quantiles)
      logs.push_back(std::log(value));
    const double mean = mean_of(logs);
    for (const double value : logs)
      squares += (value - mean) * (value - mean);
    freedom += logs.size() - 1;
  }
  if (freedom + 1 < k_least_history) return std::nullopt;
  return RunShift{std::sqrt(squares / static_cast<double>(freedom)), freedom};
}

} // namespace mrun::bench
