#include "cli/bench/measure/interleaved.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/bench/measure/cold.h"
#include "cli/bench/measure/part_names.h"
#include "cli/bench/measure/warm.h"

namespace mrun::bench {
namespace {

constexpr std::size_t k_least_in_block = 6;
constexpr std::size_t k_most_in_block = 200;
constexpr std::int64_t k_least_block_wait_ns = 60'000'000'000;

struct Blocks {
  std::vector<Block> latency, memory;
};

Result<Samples> warm_side(Rig& rig, const Subject& subject, std::int64_t time_ns, std::size_t first,
                          std::vector<Sample>* keep) {
  MRUN_ASSIGN(LoadRun run, run_in_turn(rig, subject, k_most_in_block, time_ns, first));
  if (run.samples.size() < k_least_in_block && !rig.interrupted) {
    MRUN_ASSIGN(LoadRun more, run_in_turn(rig, subject, k_least_in_block - run.samples.size(),
                                          k_least_block_wait_ns, first + run.samples.size()));
    for (Sample& sample : more.samples)
      run.samples.push_back(std::move(sample));
  }
  Samples latencies;
  for (Sample& sample : run.samples) {
    rig.result.note(part_name(k_warm_part, keep == nullptr), sample);
    if (sample.outcome != Outcome::succeeded) continue;
    latencies.push_back(static_cast<double>(sample.latency_ns()));
    if (keep != nullptr) keep->push_back(std::move(sample));
  }
  return latencies;
}

Result<Blocks> warm_blocks(Rig& rig, const Subject& base, const Subject& fresh, double share) {
  rig.progress.begin("warm latency beside the baseline", share);
  WarmPart& part = rig.result.warm.emplace();
  MRUN_TRY(warm_up(rig, base, part_name(k_warmup_part, true)));
  MRUN_ASSIGN(const Warmup warmup, warm_up(rig, fresh, part_name(k_warmup_part, false)));
  part.warmup_requests = warmup.requests;
  part.settled = warmup.settled;
  const std::int64_t time_ns = rig.options.duration_ns / static_cast<std::int64_t>(2 * rig.options.blocks);
  Blocks blocks;
  for (std::size_t i = 0; i < rig.options.blocks && !rig.interrupted; ++i) {
    Block block;
    const std::size_t first = i * k_most_in_block;
    for (const bool is_base : {i % 2 == 0, i % 2 != 0}) {
      MRUN_ASSIGN(Samples latencies,
                  warm_side(rig, is_base ? base : fresh, time_ns, first, is_base ? nullptr : &part.samples));
      (is_base ? block.base : block.fresh) = std::move(latencies);
    }
    Samples& all = rig.result.compare->warm_ns;
    all.insert(all.end(), block.base.begin(), block.base.end());
    if (!block.base.empty() && !block.fresh.empty()) blocks.latency.push_back(std::move(block));
    rig.progress.tick(static_cast<double>(i + 1) / static_cast<double>(rig.options.blocks),
                      fmt::format("block {} of {}", i + 1, rig.options.blocks));
  }
  return blocks;
}

Result<Blocks> cold_blocks(Rig& rig, const Subject& base, const Subject& fresh, double share) {
  rig.progress.begin("cold starts beside the baseline", share);
  const std::size_t count = std::clamp<std::size_t>(rig.options.runs / 2, 1, rig.options.blocks);
  const std::size_t in_block = (rig.options.runs + count - 1) / count;
  ColdPart& fresh_part = rig.result.cold.emplace();
  fresh_part.tier = rig.result.compare->cold.tier = rig.options.tier;
  Blocks blocks;
  for (std::size_t i = 0; i < count && !rig.interrupted; ++i) {
    ColdPart sides[2]; // fresh, base
    for (const bool is_base : {i % 2 == 0, i % 2 != 0})
      for (std::size_t k = 0; k < in_block && !rig.interrupted; ++k) {
        MRUN_ASSIGN(ColdRun run, run_cold(rig, is_base ? base : fresh, i * in_block + k));
        keep_cold_run(rig, sides[is_base ? 1 : 0], std::move(run), part_name(k_cold_part, is_base));
      }
    Block latency{sides[1].totals(), sides[0].totals()};
    Block memory{sides[1].memory(), sides[0].memory()};
    if (!latency.base.empty() && !latency.fresh.empty()) {
      blocks.latency.push_back(std::move(latency));
      blocks.memory.push_back(std::move(memory));
    }
    std::ranges::move(sides[0].runs, std::back_inserter(fresh_part.runs));
    std::ranges::move(sides[1].runs, std::back_inserter(rig.result.compare->cold.runs));
    rig.progress.tick(static_cast<double>(i + 1) / static_cast<double>(count),
                      fmt::format("block {} of {}", i + 1, count));
  }
  return blocks;
}

void judge(BenchResult& result, const std::string& metric, double quantile,
           const std::vector<Block>& blocks) {
  if (blocks.empty()) return;
  const auto tolerance = result.options.tolerances.find(metric);
  GateOptions gate;
  gate.quantile = quantile;
  gate.confidence = result.options.confidence;
  gate.seed = result.options.seed;
  CompareRow row;
  row.metric = metric;
  row.unit = metric == "rss" ? "bytes" : "ns";
  row.gated = tolerance != result.options.tolerances.end();
  if (row.gated) gate.tolerance = tolerance->second;
  row.judgement = judge_blocks(blocks, gate);
  result.compare->rows.push_back(std::move(row));
}

} // namespace

Result<void> measure_interleaved(Rig& rig, const Subject& base, const Subject& fresh) {
  rig.result.compare.emplace();
  rig.result.compare->reference = base.reference;
  rig.result.compare->digest = base.version();
  rig.result.compare->interleaved = true;
  const Options& options = rig.options;
  const double share = options.cold && options.warm ? 0.5 : 1;
  if (options.cold) {
    MRUN_ASSIGN(const Blocks blocks, cold_blocks(rig, base, fresh, share));
    judge(rig.result, "cold", 0.5, blocks.latency);
    judge(rig.result, "rss", 0.5, blocks.memory);
  }
  if (options.warm && !rig.interrupted) {
    MRUN_ASSIGN(const Blocks blocks, warm_blocks(rig, base, fresh, share));
    judge(rig.result, "p50", 0.5, blocks.latency);
    judge(rig.result, "p95", 0.95, blocks.latency);
  }
  return {};
}

} // namespace mrun::bench
