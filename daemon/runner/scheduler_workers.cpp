// Workers: loads that fail, memory, idleness, and the ladder exit, SIGTERM, SIGKILL.
#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "daemon/runner/scheduler_detail.h"

namespace mrun::sched {

// Everyone who waits for this load learns why it failed, unless another worker serves them; the next load
// waits for a backoff, and after too many failures in a row submits are refused for a while.
void Stepper::load_failed(ModelId model_id, const Error& error) {
  Model& model = m_state.models.at(model_id);
  const Config& config = m_state.config;
  std::erase_if(model.failures_ns,
                [&](std::int64_t at) { return at <= m_now_ns - config.failure_window.count(); });
  model.failures_ns.push_back(m_now_ns);
  if (model.failures_ns.size() > config.max_failures) model.failures_ns.erase(model.failures_ns.begin());
  ++model.failures_in_row;
  model.last_error = error;
  const std::size_t doublings = std::min<std::size_t>(model.failures_in_row - 1, 16);
  const std::int64_t backoff =
      std::min(config.max_backoff.count(), config.first_backoff.count() << doublings);
  model.backoff_until_ns = m_now_ns + backoff;
  if (model.failures_ns.size() >= config.max_failures)
    model.unhealthy_until_ns = m_now_ns + config.cool_down.count();
  if (is_served(model)) return;
  const std::map<std::uint64_t, RunKey> queue = model.queue;
  for (const auto& [order, key] : queue)
    finish_queued(key, PredictionStatus::failed, error);
}

void Stepper::note_memory(Worker& worker, std::uint64_t memory_bytes) {
  Model& model = model_of(worker);
  model.measured_bytes = std::max(model.measured_bytes, memory_bytes);
  // What a worker says is not trusted beyond the budget: it could keep every other model out.
  const std::uint64_t reserved = std::max(worker.reserved_bytes, need_of(model));
  m_state.used_bytes += reserved - worker.reserved_bytes;
  worker.reserved_bytes = reserved;
}

void Stepper::became_idle(WorkerId id, Worker& worker) {
  worker.idle_since_ns = m_now_ns;
  if (m_state.config.idle_unload.count() > 0 && !model_of(worker).traits.pinned)
    set_timer(TimerKind::worker, id, worker.timer_ns, m_now_ns + m_state.config.idle_unload.count());
}

// A prediction has ended there, or its caller no longer waits.
void Stepper::after_slot_release(WorkerId id) {
  Worker& worker = m_state.workers.at(id);
  if (is_leaving(worker.state)) return;
  if (worker.running.empty()) {
    if (worker.state == WorkerState::retiring)
      end_worker(id, worker, EndMode::exit);
    else
      became_idle(id, worker);
    return;
  }
  const bool all_abandoned = std::ranges::all_of(
      worker.running, [&](RunKey key) { return m_state.runs.at(key).state == RunState::abandoned; });
  if (all_abandoned) end_worker(id, worker, EndMode::terminate);
}

// No new predictions; it ends when the running ones have.
void Stepper::retire(WorkerId id, Worker& worker) {
  if (worker.state == WorkerState::loading)
    end_worker(id, worker, EndMode::kill);
  else if (!is_leaving(worker.state) && worker.running.empty())
    end_worker(id, worker, EndMode::exit);
  else if (worker.state == WorkerState::ready)
    worker.state = WorkerState::retiring;
}

void Stepper::end_worker(WorkerId id, Worker& worker, EndMode mode) {
  static constexpr WorkerState k_states[] = {WorkerState::exiting, WorkerState::terminating,
                                             WorkerState::killing};
  const WorkerState state = k_states[static_cast<std::size_t>(mode)];
  if (is_leaving(worker.state) && worker.state >= state) return;
  worker.state = state;
  const bool is_last = mode == EndMode::kill;
  set_timer(TimerKind::worker, id, worker.timer_ns,
            is_last ? 0 : m_now_ns + m_state.config.term_grace.count());
  m_actions.emplace_back(EndWorker{id, mode});
}

void Stepper::worker_is_gone(WorkerId id, Worker& worker, const Error& error) {
  const bool was_loading = worker.state == WorkerState::loading;
  worker.state = WorkerState::killing; // nothing is left to end
  if (was_loading) load_failed(worker.model, error);
  fail_running(worker, error);
  remove_worker(id);
}

void Stepper::remove_worker(WorkerId id) {
  const auto found = m_state.workers.find(id);
  Worker& worker = found->second;
  clear_timer(TimerKind::worker, id, worker.timer_ns);
  m_state.used_bytes -= worker.reserved_bytes;
  std::erase(model_of(worker).workers, id);
  m_state.workers.erase(found);
  for (auto stop = m_state.stops.begin(); stop != m_state.stops.end();) {
    stop->second.ended += stop->second.waiting.erase(id);
    if (!stop->second.waiting.empty()) {
      ++stop;
      continue;
    }
    m_actions.emplace_back(StopDone{stop->first, stop->second.ended});
    stop = m_state.stops.erase(stop);
  }
}

void Stepper::worker_timer(WorkerId id, Worker& worker) {
  switch (worker.state) {
  case WorkerState::loading:
    end_worker(id, worker, EndMode::kill);
    load_failed(worker.model,
                make_error(ErrorCode::load_failed,
                           fmt::format("'{}' did not load within {}", model_of(worker).traits.name,
                                       format_duration(m_state.config.load_timeout.count()))));
    break;
  case WorkerState::ready:
    if (!model_of(worker).queue.empty())
      became_idle(id, worker); // it waits for cores, not for work
    else if (worker.running.empty())
      end_worker(id, worker, EndMode::exit); // idle for long enough
    break;
  case WorkerState::exiting:
    end_worker(id, worker, EndMode::terminate);
    break;
  case WorkerState::terminating:
    end_worker(id, worker, EndMode::kill);
    break;
  case WorkerState::retiring:
  case WorkerState::killing:
    break;
  }
}

} // namespace mrun::sched
