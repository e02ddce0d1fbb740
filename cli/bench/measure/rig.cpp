#include "cli/bench/measure/rig.h"

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

Result<bool> Rig::is_loaded(const std::string& version) {
  MRUN_ASSIGN(const Json workers, client.get("/mrun/v1/ps"));
  const auto models = workers.find("models");
  if (models == workers.end() || !models->is_array())
    return fail(ErrorCode::daemon_unreachable, "the daemon's list of workers is not one");
  for (const Json& model : *models)
    if (model.is_object() && model.value("version", std::string()) == version) return true;
  return false;
}

Result<void> Rig::unload(const std::string& version) {
  MRUN_TRY(client.post("/mrun/v1/models/stop", {{"reference", version}, {"force", false}}));
  const auto deadline = std::chrono::steady_clock::now() + k_unload_wait;
  while (true) {
    MRUN_ASSIGN(const bool loaded, is_loaded(version));
    if (!loaded) return {};
    if (std::chrono::steady_clock::now() >= deadline)
      return fail(
          ErrorCode::bench_stuck,
          fmt::format("the model was asked to unload and is still there after {} s", k_unload_wait.count()),
          "see `mrun ps`: somebody else may be using it");
    ::poll(nullptr, 0, k_poll_ms); // the daemon tells nobody when a worker has gone
  }
}

} // namespace mrun::bench
