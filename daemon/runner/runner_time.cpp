// Whose time it is: loads, predictions and idleness of every worker on the machine's one clock.
#include <algorithm>

#include "daemon/runner/runner_impl.h"

namespace mrun {

void Runner::Impl::tell(std::function<void()> call) {
  if (door_depth > 0)
    later(std::move(call));
  else
    call();
}

void Runner::Impl::begin_load(sched::WorkerId id, LiveWorker& worker, const ModelRecord& model) {
  const std::int64_t now_ns = clock.monotonic_ns();
  worker.timeline.begin(now_ns);
  worker.load = OpenTime{now_ns, clock.wall_ns(), machine.begin_work(now_ns)};
  LoadBegan began{id, model.version, model.traits.name, model.device, 0, worker.load->began_wall_ns};
  const auto known = state.models.find(worker.model);
  if (known != state.models.end() && !known->second.queue.empty())
    began.cause = known->second.queue.begin()->second;
  tell([this, began] { listener.on_load_began(began); });
}

void Runner::Impl::end_load(sched::WorkerId id, LiveWorker& worker, PredictionStatus status) {
  if (!worker.load) return;
  const std::int64_t now_ns = clock.monotonic_ns();
  LoadEnded ended{
      id, status, {}, now_ns - worker.load->began_ns, machine.end_work(worker.load->machine, now_ns)};
  worker.timeline.add_to(ended.phases, worker.load->began_ns, now_ns);
  ended.phases.close(ended.duration_ns);
  worker.load.reset();
  tell([this, ended] { listener.on_load_ended(ended); });
}

std::optional<std::int64_t> Runner::Impl::begin_idle(sched::WorkerId id) {
  const auto found = live_workers.find(id);
  const auto scheduled = state.workers.find(id);
  if (found == live_workers.end() || scheduled == state.workers.end()) return std::nullopt;
  LiveWorker& worker = found->second;
  if (!worker.is_loaded || worker.idle || !scheduled->second.running.empty()) return std::nullopt;
  const std::int64_t now_ns = clock.monotonic_ns();
  worker.idle = OpenTime{now_ns, clock.wall_ns(), machine.begin_idle(now_ns)};
  return worker.idle->began_wall_ns;
}

std::optional<IdleStretch> Runner::Impl::end_idle(LiveWorker& worker) {
  if (!worker.idle) return std::nullopt;
  const std::int64_t now_ns = clock.monotonic_ns();
  const IdleStretch stretch{worker.idle->began_wall_ns, now_ns - worker.idle->began_ns,
                            machine.end_idle(worker.idle->machine, now_ns)};
  worker.idle.reset();
  return stretch;
}

void Runner::Impl::note_idle(sched::WorkerId id) {
  if (const auto wall_ns = begin_idle(id))
    tell([this, id, at_ns = *wall_ns] { listener.on_idle_began(id, at_ns); });
}

void Runner::Impl::begin_share(sched::WorkerId id, LiveWorker& worker, LiveRun& run) {
  end_share(run, nullptr, nullptr); // of a worker that died before it began
  if (auto stretch = end_idle(worker)) run.idle_before.emplace_back(id, *stretch);
  run.has_share = true;
  run.machine = machine.begin_work(run.dispatched_ns);
  run.worker_time = worker.time.join(run.dispatched_ns);
}

// `outcome`: nullptr when it did not run after all, so that nothing is its own.
void Runner::Impl::end_share(LiveRun& run, LiveWorker* worker, RunOutcome* outcome) {
  if (!std::exchange(run.has_share, false)) return;
  const std::int64_t now_ns = clock.monotonic_ns();
  const std::int64_t occupied_ns = now_ns - run.dispatched_ns;
  const std::int64_t machine_ns = machine.end_work(run.machine, now_ns);
  const std::int64_t worker_ns =
      worker != nullptr ? worker->time.leave(run.worker_time, now_ns) : occupied_ns;
  if (outcome == nullptr) return;
  const std::int64_t predict_ns = outcome->phases[Phase::predict];
  outcome->machine_ns = scaled_share(predict_ns, machine_ns, occupied_ns);
  outcome->worker_ns = scaled_share(predict_ns, worker_ns, occupied_ns);
}

// It is gone, whatever it was doing.
void Runner::Impl::forget_worker(sched::WorkerId id) {
  const auto found = live_workers.find(id);
  if (found == live_workers.end()) return;
  LiveWorker& worker = found->second;
  if (worker.load) {
    const bool timed_out = clock.monotonic_ns() - worker.load->began_ns >= state.config.load_timeout.count();
    const bool was_dropped =
        worker.process && worker.process->was_killed() && !worker.is_broken && !timed_out;
    end_load(id, worker, was_dropped ? PredictionStatus::canceled : PredictionStatus::failed);
  }
  std::optional<IdleStretch> stretch = end_idle(worker);
  // A prediction that ended its idleness may run on elsewhere, or be told of only when the worker is
  // forgotten.
  for (auto& [key, run] : runs) {
    const auto before = std::ranges::find(run.idle_before, id, &std::pair<WorkerKey, IdleStretch>::first);
    if (before == run.idle_before.end()) continue;
    stretch = before->second;
    stretch->ended_by = key;
    run.idle_before.erase(before);
  }
  live_workers.erase(found);
  tell([this, id, stretch] { listener.on_worker_gone(id, stretch); });
}

} // namespace mrun
