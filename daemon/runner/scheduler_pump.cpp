// What can start now: loads under the memory budget, evictions for them, predictions under slots and core
// tokens.
#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "daemon/runner/scheduler_detail.h"

namespace mrun::sched {

void Stepper::pump() {
  if (m_state.draining && m_state.drain_limit_passed) {
    std::vector<RunKey> keys;
    for (const auto& [key, run] : m_state.runs)
      if (run.state == RunState::queued || run.state == RunState::running) keys.push_back(key);
    for (const RunKey key : keys)
      cancel_run(key, Cause::drain);
  }
  evict_over_budget();
  if (!m_state.waiting.empty()) {
    const std::vector<ModelId> order = waiting_in_order();
    start_loads(order);
    dispatch_all(order);
  } else {
    m_state.blocked_order = 0;
    clear_timer(TimerKind::patience, 0, m_state.patience_ns);
  }
  if (m_state.draining) advance_drain();
}

std::vector<ModelId> Stepper::waiting_in_order() const {
  std::vector<ModelId> order(m_state.waiting.begin(), m_state.waiting.end());
  if (order.size() > 1)
    std::ranges::sort(order, {}, [&](ModelId id) { return m_state.models.at(id).queue.begin()->first; });
  return order;
}

// ---- loads
// -------------------------------------------------------------------------------------------------
void Stepper::start_loads(std::span<const ModelId> order) {
  m_state.blocked_order = 0;
  for (const ModelId id : order) {
    Model& model = m_state.models.at(id);
    while (wants_worker(model)) {
      const bool is_first = !is_served(model);
      if (!load_may_start(id, model, is_first)) break;
      const std::uint64_t need = need_of(model);
      if (make_room(model, need)) {
        start_worker(id, model, need);
        continue;
      }
      if (!is_first) break; // its other workers go on
      block_on_memory(model);
      return; // strictly in order of arrival: a smaller model must not keep a larger one out for ever
    }
  }
  clear_timer(TimerKind::patience, 0, m_state.patience_ns);
}

// More predictions wait than its workers have slots free or soon to come, and it may have another worker.
bool Stepper::wants_worker(const Model& model) const {
  if (model.queue.empty() ||
      model.workers.size() >= static_cast<std::size_t>(std::max(model.traits.instances, 1)))
    return false;
  std::size_t free = 0;
  for (const WorkerId id : model.workers)
    free += free_slots(model, m_state.workers.at(id));
  return model.queue.size() > free;
}

// Somebody works for it, or soon will.
bool Stepper::is_served(const Model& model) const {
  return std::ranges::any_of(model.workers, [&](WorkerId id) {
    const WorkerState state = m_state.workers.at(id).state;
    return state == WorkerState::loading || state == WorkerState::ready;
  });
}

// Not while it rests after a failure, nor when it can never fit: then those who wait for the first worker
// learn it.
bool Stepper::load_may_start(ModelId id, Model& model, bool is_first) {
  if (m_now_ns < model.backoff_until_ns) {
    if (model.timer_ns != model.backoff_until_ns)
      set_timer(TimerKind::model, id, model.timer_ns, model.backoff_until_ns);
    return false;
  }
  const std::uint64_t need = need_of(model);
  const std::uint64_t room =
      m_state.config.memory_budget_bytes - std::min(m_state.config.memory_budget_bytes, pinned_bytes(&model));
  if (need <= room) return true;
  if (!is_first) return false;
  const std::map<std::uint64_t, RunKey> queue = model.queue; // pinned models came in between
  for (const auto& [arrival, key] : queue)
    finish_queued(key, PredictionStatus::failed,
                  make_error(ErrorCode::memory_insufficient,
                             fmt::format("model '{}' needs {}, pinned models leave {}", model.traits.name,
                                         format_bytes(need), format_bytes(room))));
  return false;
}

// True when `need_bytes` are free now. Else evicts idle workers, least recently used first, if that is enough
// together with what is on its way out; the load starts when they have ended.
bool Stepper::make_room(Model& model, std::uint64_t need_bytes) {
  const std::uint64_t budget = m_state.config.memory_budget_bytes;
  if (m_state.used_bytes + need_bytes <= budget) return true;
  std::uint64_t kept = m_state.used_bytes - leaving_bytes();
  if (kept + need_bytes <= budget) return false;
  const std::vector<WorkerId> candidates = evictable(&model);
  std::size_t count = 0;
  while (count < candidates.size() && kept + need_bytes > budget)
    kept -= m_state.workers.at(candidates[count++]).reserved_bytes;
  if (kept + need_bytes > budget)
    return false; // busy models hold it; evicting idle ones now would help nobody
  for (std::size_t i = 0; i < count; ++i)
    end_worker(candidates[i], m_state.workers.at(candidates[i]), EndMode::exit);
  return false;
}

void Stepper::start_worker(ModelId id, Model& model, std::uint64_t need_bytes) {
  const WorkerId worker_id = m_state.next_worker++;
  Worker& worker = m_state.workers[worker_id];
  worker.model = id;
  worker.reserved_bytes = need_bytes;
  worker.started_ns = m_now_ns;
  m_state.used_bytes += need_bytes;
  model.workers.push_back(worker_id);
  set_timer(TimerKind::worker, worker_id, worker.timer_ns, m_now_ns + m_state.config.load_timeout.count());
  m_actions.emplace_back(StartWorker{worker_id, id});
}

std::uint64_t Stepper::leaving_bytes() const {
  std::uint64_t bytes = 0;
  for (const auto& [id, worker] : m_state.workers)
    bytes += is_leaving(worker.state) ? worker.reserved_bytes : 0;
  return bytes;
}

std::uint64_t Stepper::pinned_bytes(const Model* except) const {
  std::uint64_t bytes = 0;
  for (const auto& [id, worker] : m_state.workers) {
    const Model& model = m_state.models.at(worker.model);
    bytes += model.traits.pinned && &model != except ? worker.reserved_bytes : 0;
  }
  return bytes;
}

// Idle, unpinned and unwanted workers, least recently used first. `for_model`: a load that waits; work that
// is younger than a load out of patience doesn't keep its worker.
std::vector<WorkerId> Stepper::evictable(const Model* for_model) const {
  const std::uint64_t head = for_model != nullptr ? for_model->queue.begin()->first : 0;
  const bool impatient =
      for_model != nullptr && m_now_ns - m_state.runs.at(for_model->queue.begin()->second).enqueued_ns >=
                                  m_state.config.swap_patience.count();
  std::vector<WorkerId> found;
  for (const auto& [id, worker] : m_state.workers) {
    const Model& model = m_state.models.at(worker.model);
    const bool is_wanted = !model.queue.empty() && !(impatient && model.queue.begin()->first > head);
    if (worker.state == WorkerState::ready && worker.running.empty() && !model.traits.pinned && !is_wanted)
      found.push_back(id);
  }
  std::ranges::stable_sort(found, {}, [&](WorkerId id) { return m_state.workers.at(id).idle_since_ns; });
  return found;
}

void Stepper::evict_over_budget() {
  if (m_state.used_bytes <= m_state.config.memory_budget_bytes) return;
  std::uint64_t kept = m_state.used_bytes - leaving_bytes();
  for (const WorkerId id : evictable(nullptr)) {
    if (kept <= m_state.config.memory_budget_bytes) return;
    Worker& worker = m_state.workers.at(id);
    kept -= worker.reserved_bytes;
    end_worker(id, worker, EndMode::exit);
  }
}

void Stepper::block_on_memory(const Model& model) {
  const auto& [order, key] = *model.queue.begin();
  const std::int64_t until = m_state.runs.at(key).enqueued_ns + m_state.config.swap_patience.count();
  if (m_now_ns >= until)
    m_state.blocked_order = order;
  else if (m_state.patience_ns != until)
    set_timer(TimerKind::patience, 0, m_state.patience_ns, until);
}

// ---- predictions
// -------------------------------------------------------------------------------------------
void Stepper::dispatch_all(std::span<const ModelId> order) {
  bool tokens_blocked = false;
  for (const ModelId id : order) {
    Model& model = m_state.models.at(id);
    while (!model.queue.empty() && dispatch_model(model, tokens_blocked)) {
    }
    if (model.queue.empty()) m_state.waiting.erase(id);
  }
}

// Starts the head of the queue, if a worker has a free slot and the cores are free.
bool Stepper::dispatch_model(Model& model, bool& tokens_blocked) {
  const auto& [order, key] = *model.queue.begin();
  if (m_state.blocked_order != 0 && order > m_state.blocked_order && !model.traits.pinned)
    return false; // an older load waits for this memory
  const std::optional<WorkerId> id = free_worker(model);
  if (!id) return false;
  const int tokens = tokens_of(model);
  if (tokens > 0 && (tokens_blocked || m_state.used_tokens + tokens > m_state.config.core_tokens)) {
    tokens_blocked = true; // in order of arrival: few-threaded work must not keep many-threaded out
    return false;
  }
  dispatch(key, m_state.runs.at(key), *id, m_state.workers.at(*id));
  model.queue.erase(model.queue.begin());
  return true;
}

// The one with least to do; among equals the one that has been there longest, so that the others can fall
// idle.
std::optional<WorkerId> Stepper::free_worker(const Model& model) const {
  std::optional<WorkerId> found;
  std::size_t most = 0;
  for (const WorkerId id : model.workers) {
    const Worker& worker = m_state.workers.at(id);
    if (worker.state != WorkerState::ready) continue;
    const std::size_t free = free_slots(model, worker);
    if (free <= most) continue;
    found = id;
    most = free;
  }
  return found;
}

// Predictions that it can take, now or once it has loaded. None with an abandoned one: what it does is not
// known.
std::size_t Stepper::free_slots(const Model& model, const Worker& worker) const {
  if (worker.state != WorkerState::loading && worker.state != WorkerState::ready) return 0;
  const bool is_suspect = std::ranges::any_of(
      worker.running, [&](RunKey key) { return m_state.runs.at(key).state == RunState::abandoned; });
  const auto slots = static_cast<std::size_t>(std::max(model.traits.concurrency, 1));
  return is_suspect ? 0 : slots - std::min(slots, worker.running.size());
}

void Stepper::dispatch(RunKey key, Run& run, WorkerId worker_id, Worker& worker) {
  run.state = RunState::running;
  run.worker = worker_id;
  worker.running.push_back(key);
  clear_timer(TimerKind::worker, worker_id, worker.timer_ns);
  m_state.used_tokens += tokens_of(m_state.models.at(run.model));
  const std::int64_t until =
      run.deadline_ns != 0 ? run.deadline_ns : m_now_ns + m_state.config.run_timeout.count();
  set_timer(TimerKind::run, key, run.timer_ns, until);
  m_actions.emplace_back(Dispatch{key, worker_id});
}

// ---- drain
// -------------------------------------------------------------------------------------------------
void Stepper::advance_drain() {
  if (m_state.active() > 0 || m_state.drained) return;
  for (auto& [id, worker] : m_state.workers)
    retire(id, worker);
  if (!m_state.workers.empty()) return;
  clear_timer(TimerKind::drain, 0, m_state.drain_at_ns);
  m_state.drained = true;
  m_actions.emplace_back(DrainDone{});
}

} // namespace mrun::sched
