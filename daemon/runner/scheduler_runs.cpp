// Predictions: cancel in each phase, deadlines, ends.
#include <algorithm>

#include <fmt/format.h>

#include "daemon/runner/scheduler_detail.h"

namespace mrun::sched {

Error cause_error(Cause cause, const std::string& model) {
  switch (cause) {
  case Cause::deadline:
    return make_error(ErrorCode::deadline_exceeded,
                      fmt::format("'{}' did not end before the deadline", model));
  case Cause::timeout:
    return make_error(ErrorCode::deadline_exceeded,
                      fmt::format("'{}' ran into the limit for one prediction", model));
  case Cause::drain:
    return make_error(ErrorCode::interrupted, fmt::format("the daemon stopped while '{}' ran", model));
  case Cause::stop:
    return make_error(ErrorCode::cancelled, fmt::format("'{}' was stopped by `mrun stop`", model));
  case Cause::none:
  case Cause::user:
    break;
  }
  return make_error(ErrorCode::cancelled, fmt::format("the prediction of '{}' was canceled", model));
}

void Stepper::cancel_run(RunKey key, Cause cause) {
  const auto found = m_state.runs.find(key);
  if (found == m_state.runs.end()) return;
  Run& run = found->second;
  const std::string& name = m_state.models.at(run.model).traits.name;
  if (run.state == RunState::queued) {
    if (cause == Cause::deadline)
      finish_queued(
          key, PredictionStatus::aborted,
          make_error(ErrorCode::aborted, fmt::format("the deadline passed before '{}' had a turn", name)));
    else if (cause == Cause::drain)
      finish_queued(
          key, PredictionStatus::aborted,
          make_error(ErrorCode::aborted, fmt::format("the daemon stopped before '{}' had a turn", name)));
    else
      finish_queued(key, PredictionStatus::canceled, cause_error(cause, name));
    return;
  }
  if (run.state != RunState::running) return; // asked already
  run.state = RunState::canceling;
  run.cause = cause;
  set_timer(TimerKind::run, key, run.timer_ns, m_now_ns + m_state.config.cancel_grace.count());
  m_actions.emplace_back(SendCancel{key, run.worker});
}

void Stepper::finish_queued(RunKey key, PredictionStatus status, Error error) {
  Run& run = m_state.runs.at(key);
  Model& model = m_state.models.at(run.model);
  model.queue.erase(run.order);
  if (model.queue.empty()) m_state.waiting.erase(run.model);
  clear_timer(TimerKind::run, key, run.timer_ns);
  finish({key, false, status, std::move(error)});
  m_state.runs.erase(key);
  drop_unwanted_load(model);
}

// A load that nobody waits for would only hold memory that others may need.
void Stepper::drop_unwanted_load(Model& model) {
  if (!model.queue.empty() || model.traits.pinned) return;
  for (const WorkerId id : model.workers) {
    Worker& worker = m_state.workers.at(id);
    if (worker.state == WorkerState::loading) end_worker(id, worker, EndMode::kill);
  }
}

void Stepper::run_timer(RunKey key, Run& run) {
  switch (run.state) {
  case RunState::queued:
    cancel_run(key, Cause::deadline);
    break;
  case RunState::running:
    cancel_run(key, run.deadline_ns != 0 && run.deadline_ns <= m_now_ns ? Cause::deadline : Cause::timeout);
    break;
  case RunState::canceling:
    abandon(key, run);
    break;
  case RunState::abandoned:
    break;
  }
}

// The worker did not react to a cancel: the caller gets its answer now, the slot stays taken. Once everything
// that runs there is abandoned, the worker is ended; until then the others may finish.
void Stepper::abandon(RunKey key, Run& run) {
  const std::string& name = m_state.models.at(run.model).traits.name;
  finish({key, false, PredictionStatus::canceled, cause_error(run.cause, name)});
  run.state = RunState::abandoned;
  ++m_state.abandoned;
  after_slot_release(run.worker);
}

void Stepper::release_slot(RunKey key) {
  const auto found = m_state.runs.find(key);
  Run& run = found->second;
  Worker& worker = m_state.workers.at(run.worker);
  std::erase(worker.running, key);
  m_state.used_tokens -= tokens_of(m_state.models.at(run.model));
  m_state.abandoned -= run.state == RunState::abandoned ? 1 : 0;
  clear_timer(TimerKind::run, key, run.timer_ns);
  m_state.runs.erase(found);
}

// It had not begun when its worker died, so it may run elsewhere: back to its place in the queue, which is
// before everything that came later. Once: it may be what kills the worker.
void Stepper::requeue(RunKey key, WorkerId worker_id) {
  const auto found = m_state.runs.find(key);
  if (found == m_state.runs.end()) return;
  Run& run = found->second;
  if (run.worker != worker_id || run.state != RunState::running || run.was_requeued) return;
  Model& model = m_state.models.at(run.model);
  std::erase(m_state.workers.at(worker_id).running, key);
  m_state.used_tokens -= tokens_of(model);
  run.worker = 0;
  run.state = RunState::queued;
  run.was_requeued = true;
  set_timer(TimerKind::run, key, run.timer_ns, run.deadline_ns);
  model.queue.emplace(run.order, key);
  m_state.waiting.insert(run.model);
}

void Stepper::fail_running(Worker& worker, const Error& error) {
  const std::vector<RunKey> running = worker.running;
  for (const RunKey key : running) {
    const Run& run = m_state.runs.at(key);
    if (run.state ==
        RunState::canceling) // it died of the cancel, or on its way: what was asked for has happened
      finish({key, false, PredictionStatus::canceled,
              cause_error(run.cause, m_state.models.at(run.model).traits.name)});
    else if (run.state == RunState::running)
      finish({key, false, PredictionStatus::failed, error});
    release_slot(key);
  }
}

Finish Stepper::reported_finish(RunKey key, const Run& run, PredictionStatus status) const {
  if (status != PredictionStatus::canceled) return {key, true, status, std::nullopt};
  const std::string& name = m_state.models.at(run.model).traits.name;
  if (run.cause == Cause::none)
    return {
        key, false, PredictionStatus::failed,
        make_error(ErrorCode::prediction_failed, fmt::format("'{}' gave up without being asked to", name))};
  return {key, false, PredictionStatus::canceled, cause_error(run.cause, name)};
}

} // namespace mrun::sched
