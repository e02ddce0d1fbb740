// Inside of the scheduler: one Stepper lives for one step. Not for others.
#pragma once

#include <span>

#include "daemon/runner/scheduler.h"

namespace mrun::sched {

class Stepper {
 public:
  Stepper(State& state, std::int64_t now_ns, std::vector<Action>& actions)
      : m_state(state),
        m_now_ns(now_ns),
        m_actions(actions) {}

  // scheduler.cpp: one per event
  void on(const Submit& event);
  void on(const Cancel& event);
  void on(const Loaded& event);
  void on(const LoadFailed& event);
  void on(const SpawnFailed& event);
  void on(const WorkerBroken& event);
  void on(const WorkerEnded& event);
  void on(const PredictionEnded& event);
  void on(const StopModel& event);
  void on(const Drain& event);
  void on(const Tick& event);

  // scheduler_pump.cpp: starts whatever can start now
  void pump();

 private:
  // scheduler.cpp
  std::optional<Error> refusal(const Submit& event, const Model& model) const;
  void stop_worker(WorkerId id, Worker& worker, bool force, Stop& stop);

  // scheduler_runs.cpp
  void cancel_run(RunKey key, Cause cause);
  void finish_queued(RunKey key, PredictionStatus status, Error error);
  void drop_unwanted_load(Model& model);
  void abandon(RunKey key, Run& run);
  void run_timer(RunKey key, Run& run);
  void release_slot(RunKey key);
  void requeue(RunKey key, WorkerId worker);
  void fail_running(Worker& worker, const Error& error);
  Finish reported_finish(RunKey key, const Run& run, PredictionStatus status) const;
  void finish(Finish finish) { m_actions.emplace_back(std::move(finish)); }

  // scheduler_workers.cpp
  void load_failed(ModelId model_id, const Error& error);
  void note_memory(Worker& worker, std::uint64_t memory_bytes);
  void became_idle(WorkerId id, Worker& worker);
  void after_slot_release(WorkerId id);
  void retire(WorkerId id, Worker& worker);
  void end_worker(WorkerId id, Worker& worker, EndMode mode);
  void worker_is_gone(WorkerId id, Worker& worker, const Error& error);
  void remove_worker(WorkerId id);
  void worker_timer(WorkerId id, Worker& worker);

  // scheduler_pump.cpp
  std::vector<ModelId> waiting_in_order() const;
  bool wants_worker(const Model& model) const;
  bool is_served(const Model& model) const;
  bool load_may_start(ModelId id, Model& model, bool is_first);
  std::size_t free_slots(const Model& model, const Worker& worker) const;
  std::optional<WorkerId> free_worker(const Model& model) const;
  void start_loads(std::span<const ModelId> order);
  bool make_room(Model& model, std::uint64_t need_bytes);
  void start_worker(ModelId id, Model& model, std::uint64_t need_bytes);
  void evict_over_budget();
  std::vector<WorkerId> evictable(const Model* for_model) const;
  std::uint64_t leaving_bytes() const;
  std::uint64_t pinned_bytes(const Model* except) const;
  void block_on_memory(const Model& model);
  void dispatch_all(std::span<const ModelId> order);
  bool dispatch_model(Model& model, bool& tokens_blocked);
  void dispatch(RunKey key, Run& run, WorkerId worker_id, Worker& worker);
  void advance_drain();

  // timers: every one in m_state.timers is remembered by its owner in `slot` (0: none)
  void set_timer(TimerKind kind, std::uint64_t id, std::int64_t& slot, std::int64_t at_ns);
  void clear_timer(TimerKind kind, std::uint64_t id, std::int64_t& slot) { set_timer(kind, id, slot, 0); }

  int tokens_of(const Model& model) const;
  std::uint64_t need_of(const Model& model) const;
  Model& model_of(const Worker& worker) { return m_state.models.at(worker.model); }

  State& m_state;
  std::int64_t m_now_ns;
  std::vector<Action>& m_actions;
};

// An Error made by fail(), as a value.
Error make_error(ErrorCode code, std::string message, std::string hint = {});
Error cause_error(Cause cause, const std::string& model);

constexpr bool is_leaving(WorkerState state) {
  return state >= WorkerState::exiting;
}

} // namespace mrun::sched
