#include "cli/bench/measure/rig.h"

#include <algorithm>

#include <fmt/format.h>
#include <poll.h>

namespace mrun::bench {
namespace {

constexpr std::chrono::seconds k_unload_wait{20};
constexpr int k_poll_ms = 2;

} // namespace

LoadPlan Rig::plan_for(const Subject& subject) const {
  LoadPlan plan;
  plan.socket = socket();
  plan.requests = subject.requests(options.device);
  plan.timeout_ns = options.timeout_ns;
  plan.interrupt_fd = interrupt_fd;
  return plan;
}

// Its workers as `mrun ps` has them.
Result<std::vector<Json>> Rig::workers_of(const std::string& version) {
  MRUN_ASSIGN(const Json workers, client.get("/mrun/v1/ps"));
  const auto models = workers.find("models");
  if (models == workers.end() || !models->is_array())
    return fail(ErrorCode::daemon_unreachable, "the daemon's list of workers is not one");
  std::vector<Json> found;
  for (const Json& model : *models)
    if (model.is_object() && model.value("version", std::string()) == version) found.push_back(model);
  return found;
}

// Waits until `is_reached` holds of the version's workers; the daemon tells nobody when that changes.
Result<void> Rig::wait_for_workers(const std::string& version, std::string_view wanted,
                                   const std::function<bool(const std::vector<Json>&)>& is_reached) {
  const auto deadline = std::chrono::steady_clock::now() + k_unload_wait;
  while (true) {
    MRUN_ASSIGN(const std::vector<Json> workers, workers_of(version));
    if (is_reached(workers)) return {};
    if (std::chrono::steady_clock::now() >= deadline)
      return fail(ErrorCode::bench_stuck, fmt::format("{} after {} s", wanted, k_unload_wait.count()),
                  "see `mrun ps`: somebody else may be using it");
    ::poll(nullptr, 0, k_poll_ms);
  }
}

Result<void> Rig::unload(const std::string& version) {
  // The daemon ends no worker under a prediction, and would answer only when that has ended.
  MRUN_TRY(wait_for_workers(version, "the model is still in use", [](const std::vector<Json>& workers) {
    return std::ranges::all_of(workers,
                               [](const Json& worker) { return worker.value("running", Json(0)) == 0; });
  }));
  MRUN_TRY(
      client.post("/mrun/v1/models/stop", {{"reference", version}, {"force", false}}, cli::k_no_deadline));
  return wait_for_workers(version, "the model was asked to unload and is still there",
                          [](const std::vector<Json>& workers) { return workers.empty(); });
}

} // namespace mrun::bench
