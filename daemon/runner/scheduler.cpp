#include "daemon/runner/scheduler.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "daemon/runner/scheduler_detail.h"

namespace mrun::sched {

void step(State& state, const Event& event, std::vector<Action>& actions) {
  Stepper stepper(state, event.now_ns, actions);
  stepper.on(Tick{}); // what is due happens first
  std::visit([&](const auto& what) { stepper.on(what); }, event.what);
  stepper.pump();
}

std::optional<std::int64_t> next_wakeup_ns(const State& state) {
  if (state.timers.empty()) return std::nullopt;
  return state.timers.begin()->at_ns;
}

void forget_idle_models(State& state) {
  std::erase_if(state.models, [](const auto& entry) {
    const Model& model = entry.second;
    return model.queue.empty() && model.workers.empty() && model.failures_in_row == 0 && model.timer_ns == 0;
  });
}

Error make_error(ErrorCode code, std::string message, std::string hint) {
  return std::move(fail(code, std::move(message), std::move(hint)).value());
}

void Stepper::set_timer(TimerKind kind, std::uint64_t id, std::int64_t& slot, std::int64_t at_ns) {
  if (slot != 0) m_state.timers.erase({slot, kind, id});
  slot = at_ns;
  if (slot != 0) m_state.timers.insert({slot, kind, id});
}

int Stepper::tokens_of(const Model& model) const {
  return std::clamp(model.traits.threads, 0, std::max(m_state.config.core_tokens, 0));
}

std::uint64_t Stepper::need_of(const Model& model) const {
  return std::min(m_state.config.memory_budget_bytes,
                  std::max(model.traits.memory_bytes, model.measured_bytes));
}

std::optional<Error> Stepper::refusal(const Submit& event, const Model& model) const {
  const std::string& name = event.traits.name;
  if (m_state.draining)
    return make_error(ErrorCode::draining,
                      fmt::format("the daemon is stopping and takes no prediction for '{}'", name));
  if (m_state.runs.contains(event.key))
    return make_error(ErrorCode::internal, fmt::format("run key {} is in use", event.key));
  if (m_now_ns < model.unhealthy_until_ns && !is_served(model)) {
    Error error =
        make_error(ErrorCode::model_unhealthy,
                   fmt::format("'{}' failed to start {} times; the next try is in {}", name,
                               model.failures_in_row, format_duration(model.unhealthy_until_ns - m_now_ns)));
    if (model.last_error) error.notes.push_back("the last reason: " + model.last_error->message);
    return error;
  }
  const std::uint64_t budget = m_state.config.memory_budget_bytes;
  const std::uint64_t pinned = pinned_bytes(&model);
  const std::uint64_t room = budget - std::min(budget, pinned);
  if (model.workers.empty() && (event.traits.memory_bytes > room || need_of(model) > room))
    return make_error(ErrorCode::memory_insufficient,
                      fmt::format("model '{}' needs {}, all workers together may take {}", name,
                                  format_bytes(event.traits.memory_bytes), format_bytes(room)),
                      "raise `memory_budget` in config.yaml, then `mrun daemon stop`");
  if (model.queue.size() >= m_state.config.max_queue)
    return make_error(ErrorCode::queue_full,
                      fmt::format("{} predictions wait for '{}' already, the limit is {}", model.queue.size(),
                                  name, m_state.config.max_queue));
  return std::nullopt;
}

void Stepper::on(const Submit& event) {
  auto [place, is_new] = m_state.models.try_emplace(event.model);
  Model& model = place->second;
  if (is_new) model.traits = event.traits;
  if (auto error = refusal(event, model)) {
    if (is_new) m_state.models.erase(place);
    m_actions.emplace_back(Refuse{event.key, std::move(*error)});
    return;
  }
  Run& run = m_state.runs[event.key];
  run.model = event.model;
  run.order = m_state.next_order++;
  run.enqueued_ns = m_now_ns;
  run.deadline_ns = event.deadline_ns;
  if (run.deadline_ns != 0) set_timer(TimerKind::run, event.key, run.timer_ns, run.deadline_ns);
  model.queue.emplace_hint(model.queue.end(), run.order, event.key);
  m_state.waiting.insert(event.model);
  if (run.deadline_ns != 0 && run.deadline_ns <= m_now_ns) cancel_run(event.key, Cause::deadline);
}

void Stepper::on(const Cancel& event) {
  cancel_run(event.key, Cause::user);
}

void Stepper::on(const Loaded& event) {
  const auto found = m_state.workers.find(event.worker);
  if (found == m_state.workers.end() || found->second.state != WorkerState::loading)
    return; // dropped while it finished loading
  Worker& worker = found->second;
  Model& model = model_of(worker);
  model.failures_ns.clear();
  model.failures_in_row = 0;
  model.backoff_until_ns = model.unhealthy_until_ns = 0;
  model.last_error.reset();
  clear_timer(TimerKind::model, worker.model, model.timer_ns);
  clear_timer(TimerKind::worker, event.worker, worker.timer_ns);
  worker.state = WorkerState::ready;
  worker.loaded_ns = m_now_ns;
  note_memory(worker, event.memory_bytes);
  became_idle(event.worker, worker);
}

void Stepper::on(const LoadFailed& event) {
  const auto found = m_state.workers.find(event.worker);
  if (found == m_state.workers.end() || found->second.state != WorkerState::loading) return;
  end_worker(event.worker, found->second, EndMode::exit);
  load_failed(found->second.model, event.error);
}

void Stepper::on(const SpawnFailed& event) {
  const auto found = m_state.workers.find(event.worker);
  if (found == m_state.workers.end()) return;
  worker_is_gone(event.worker, found->second, event.error);
}

void Stepper::on(const WorkerBroken& event) {
  const auto found = m_state.workers.find(event.worker);
  if (found == m_state.workers.end()) return;
  const bool was_loading = found->second.state == WorkerState::loading;
  end_worker(event.worker, found->second, EndMode::kill);
  if (was_loading) load_failed(found->second.model, event.error);
  fail_running(found->second, event.error);
}

void Stepper::on(const WorkerEnded& event) {
  const auto found = m_state.workers.find(event.worker);
  if (found == m_state.workers.end()) return;
  for (const RunKey key : event.not_started)
    requeue(key, event.worker);
  worker_is_gone(event.worker, found->second, event.error);
}

void Stepper::on(const PredictionEnded& event) {
  const auto found = m_state.runs.find(event.key);
  if (found == m_state.runs.end() || found->second.worker != event.worker) return;
  Run& run = found->second;
  Worker& worker = m_state.workers.at(event.worker);
  if (run.state != RunState::abandoned) finish(reported_finish(event.key, run, event.status));
  note_memory(worker, event.memory_bytes);
  release_slot(event.key);
  if (!event.healthy && !is_leaving(worker.state)) worker.state = WorkerState::retiring;
  after_slot_release(event.worker);
}

void Stepper::on(const StopModel& event) {
  Stop stop;
  for (const ModelId id : event.models) {
    const auto found = m_state.models.find(id);
    if (found == m_state.models.end()) continue;
    const std::vector<WorkerId> workers = found->second.workers;
    for (const WorkerId worker : workers)
      stop_worker(worker, m_state.workers.at(worker), event.force, stop);
    while (event.force && !found->second.queue.empty())
      cancel_run(found->second.queue.begin()->second, Cause::stop);
  }
  if (stop.waiting.empty())
    m_actions.emplace_back(StopDone{event.token, 0});
  else
    m_state.stops.insert_or_assign(event.token, std::move(stop));
}

void Stepper::stop_worker(WorkerId id, Worker& worker, bool force, Stop& stop) {
  stop.waiting.insert(id);
  const std::vector<RunKey> running = worker.running;
  if (force)
    for (const RunKey key : running)
      cancel_run(key, Cause::stop);
  retire(id, worker);
}

void Stepper::on(const Drain& event) {
  m_state.drain_limit_passed = false;
  m_state.draining = true;
  m_state.drained = false;
  set_timer(TimerKind::drain, 0, m_state.drain_at_ns, std::max(event.limit_ns, std::int64_t{1}));
  on(Tick{}); // the limit may have passed already
}

void Stepper::on(const Tick&) {
  while (!m_state.timers.empty() && m_state.timers.begin()->at_ns <= m_now_ns) {
    const Timer timer = *m_state.timers.begin();
    m_state.timers.erase(m_state.timers.begin());
    switch (timer.kind) {
    case TimerKind::run: {
      Run& run = m_state.runs.at(timer.id);
      run.timer_ns = 0;
      run_timer(timer.id, run);
      break;
    }
    case TimerKind::worker: {
      Worker& worker = m_state.workers.at(timer.id);
      worker.timer_ns = 0;
      worker_timer(timer.id, worker);
      break;
    }
    case TimerKind::model:
      m_state.models.at(timer.id).timer_ns = 0;
      break; // pump() looks again
    case TimerKind::patience:
      m_state.patience_ns = 0;
      break;
    case TimerKind::drain:
      m_state.drain_at_ns = 0;
      m_state.drain_limit_passed = true;
      break;
    }
  }
}

} // namespace mrun::sched
