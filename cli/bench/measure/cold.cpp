#include "cli/bench/measure/cold.h"

#include <fmt/format.h>

#include "cli/bench/measure/part_names.h"
#include "cli/bench/measure/residency.h"
#include "cli/client/daemon_process.h"

namespace mrun::bench {
namespace {

constexpr std::chrono::seconds k_daemon_end_wait{60};

// The daemon and with it the zygote, which keeps libraries mapped.
Result<void> restart_daemon(Rig& rig) {
  MRUN_ASSIGN(const Json status, rig.client.get("/mrun/v1/status"));
  MRUN_ASSIGN(const std::int64_t pid,
              need_integer(status, "pid", ErrorCode::daemon_unreachable, "the daemon's status"));
  MRUN_TRY(rig.client.post("/mrun/v1/shutdown", Json::object()));
  MRUN_ASSIGN(const bool gone, cli::wait_for_exit(static_cast<int>(pid),
                                                  std::chrono::steady_clock::now() + k_daemon_end_wait, -1));
  if (!gone) return fail(ErrorCode::bench_stuck, "the daemon was asked to stop and did not", "see `mrun ps`");
  MRUN_TRY(drop_all_caches());
  MRUN_TRY(rig.client.get("/mrun/v1/status")); // which starts a new one
  return {};
}

Result<void> reset(Rig& rig, const Subject& subject) {
  MRUN_TRY(rig.unload(subject.version()));
  if (rig.options.tier == Tier::host) MRUN_TRY(restart_daemon(rig));
  // A daemon that begins reads manifests.
  if (rig.options.tier == Tier::disk || rig.options.tier == Tier::host) return evict(rig.files_of(subject));
  return {};
}

std::string why_not_cold(const ColdRun& run, Tier tier) {
  if (run.sample.outcome == Outcome::succeeded && !run.sample.server.cold_start)
    return "a worker was there already: somebody else uses the model";
  if (tier == Tier::disk || tier == Tier::host)
    if (run.residency_before && *run.residency_before > k_cold_share)
      return fmt::format("{:.1f} % of the model's files were in the page cache", *run.residency_before * 100);
  return {};
}

} // namespace

Result<ColdRun> run_cold(Rig& rig, const Subject& subject, std::size_t input) {
  ColdRun run;
  MRUN_TRY(reset(rig, subject));
  MRUN_ASSIGN(const Residency residency, read_residency(rig.files_of(subject)));
  run.residency_before = residency.share();
  LoadPlan plan = rig.plan_for(subject);
  plan.first_request = input;
  plan.max_requests = 1;
  plan.fresh_connections = true;
  MRUN_ASSIGN(LoadRun load, run_load(plan));
  rig.interrupted |= load.interrupted;
  if (!load.samples.empty()) run.sample = std::move(load.samples[0]);
  run.not_cold = why_not_cold(run, rig.options.tier);
  return run;
}

void keep_cold_run(Rig& rig, ColdPart& part, ColdRun run, const std::string& name) {
  rig.result.note(name, run.sample);
  if (run.sample.outcome == Outcome::succeeded) part.runs.push_back(std::move(run));
}

Result<void> measure_cold(Rig& rig, const Subject& subject, double share) {
  rig.progress.begin(fmt::format("cold start ({})", tier_name(rig.options.tier)), share);
  ColdPart& part = rig.result.cold.emplace();
  part.tier = rig.options.tier;
  for (std::size_t i = 0; i < rig.options.runs && !rig.interrupted; ++i) {
    MRUN_ASSIGN(ColdRun run, run_cold(rig, subject, i));
    keep_cold_run(rig, part, std::move(run), std::string(k_cold_part));
    rig.progress.tick(static_cast<double>(i + 1) / static_cast<double>(rig.options.runs),
                      fmt::format("run {} of {}", i + 1, rig.options.runs));
  }
  return {};
}

} // namespace mrun::bench
