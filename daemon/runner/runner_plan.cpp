// What a prediction would meet: the scheduler is a pure function, so it is asked on a copy of its state.
#include <algorithm>
#include <limits>

#include "daemon/runner/devices.h"
#include "daemon/runner/load_spec.h"
#include "daemon/runner/runner_impl.h"

namespace mrun {
namespace {

constexpr RunKey k_nobody = std::numeric_limits<RunKey>::max(); // no prediction gets so far

} // namespace

Result<RunPlan> Runner::Impl::plan(const Bundle& bundle, const std::string& device) const {
  RunPlan plan;
  MRUN_ASSIGN(plan.device, resolve_device(config, device, bundle.manifest));
  const sched::ModelTraits traits = model_traits(bundle, config);
  const auto known_id = model_ids.find({bundle.digest, plan.device});
  const sched::ModelId model = known_id == model_ids.end() ? next_model : known_id->second;
  const auto known = state.models.find(model);
  if (known == state.models.end() || known->second.workers.empty())
    MRUN_TRY(check_engine(config, bundle.manifest.engine));
  plan.threads = std::clamp(traits.threads, 0, std::max(config.core_tokens, 0));
  plan.memory_bytes = traits.memory_bytes;
  if (known != state.models.end()) {
    plan.memory_bytes = std::max(plan.memory_bytes, known->second.measured_bytes);
    plan.queued = known->second.queue.size();
  }
  sched::State copy = state;
  std::vector<sched::Action> would;
  sched::step(copy, {clock.monotonic_ns(), sched::Submit{k_nobody, model, traits, 0}}, would);
  plan.start = known != state.models.end() && !known->second.workers.empty() ? RunPlan::Start::in_queue
                                                                             : RunPlan::Start::after_load;
  for (const sched::Action& action : would) {
    if (const auto* refuse = std::get_if<sched::Refuse>(&action)) return tl::unexpected(refuse->error);
    if (const auto* dispatch = std::get_if<sched::Dispatch>(&action);
        dispatch != nullptr && dispatch->key == k_nobody)
      plan.start = RunPlan::Start::at_once;
    if (const auto* end = std::get_if<sched::EndWorker>(&action))
      if (const auto worker = state.workers.find(end->worker); worker != state.workers.end())
        plan.unloads.push_back(state.models.at(worker->second.model).traits.name);
  }
  return plan;
}

} // namespace mrun
