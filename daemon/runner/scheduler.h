// The scheduler: what runs where and when, as a pure step function over plain state
// (docs/formats/scheduler.md).
//
// step(state, event, actions) changes the state and appends what has to be done outside: start, end and feed
// workers, tell the caller. It reads no clock (every event carries `now_ns`, CLOCK_MONOTONIC), does no I/O,
// never fails and is deterministic. The caller applies the actions in order and calls step again with a Tick
// no later than next_wakeup_ns(). One thread at a time.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "common/error.h"
#include "common/limits.h"
#include "daemon/api/prediction.h"

namespace mrun::sched {

using RunKey = std::uint64_t;
using ModelId = std::uint64_t;  // a version on a device; chosen by the caller
using WorkerId = std::uint64_t; // chosen here, never reused

struct Config {
  std::uint64_t memory_budget_bytes = 0;
  int core_tokens = 1;
  std::size_t max_queue = k_max_queue_length; // per model
  std::chrono::nanoseconds cancel_grace = k_cancel_grace;
  std::chrono::nanoseconds term_grace = k_term_grace;
  std::chrono::nanoseconds load_timeout = k_load_timeout;
  std::chrono::nanoseconds run_timeout = k_prediction_timeout;
  std::chrono::nanoseconds idle_unload{0};                  // 0: never
  std::chrono::nanoseconds swap_patience = k_swap_patience; // then a waiting load goes before younger work
  std::chrono::nanoseconds first_backoff = k_first_load_backoff; // doubles with each failure
  std::chrono::nanoseconds max_backoff = k_max_load_backoff;
  std::chrono::nanoseconds failure_window = k_load_failure_window;
  std::chrono::nanoseconds cool_down = k_load_cool_down;
  std::size_t max_failures = k_max_load_failures; // within the window: unhealthy
};

struct ModelTraits {
  std::string name;               // for messages
  std::uint64_t memory_bytes = 0; // estimate before the first load
  int concurrency = 1;            // predictions at once in one worker
  int threads = 0;                // core tokens of a running prediction
  int instances = 1;              // the most workers; a second one starts when the first has no free slot
  bool pinned = false;            // never evicted, never unloaded when idle
};

// Why a prediction was asked to stop.
enum class Cause : std::uint8_t { none, user, deadline, timeout, stop, drain };
enum class RunState : std::uint8_t { queued, running, canceling, abandoned };

struct Run {
  ModelId model = 0;
  WorkerId worker = 0; // 0 while queued
  RunState state = RunState::queued;
  bool was_requeued = false;
  Cause cause = Cause::none;
  std::uint64_t order = 0;   // of arrival, over all models
  std::int32_t priority = 0; // unused by this first form: FIFO
  std::int64_t enqueued_ns = 0;
  std::int64_t deadline_ns = 0; // 0: none
  std::int64_t timer_ns = 0;    // 0: none
};

enum class WorkerState : std::uint8_t { loading, ready, retiring, exiting, terminating, killing };

struct Worker {
  ModelId model = 0;
  WorkerState state = WorkerState::loading;
  std::vector<RunKey> running; // in order of dispatch; canceling and abandoned ones too
  std::uint64_t reserved_bytes = 0;
  std::int64_t started_ns = 0, loaded_ns = 0, idle_since_ns = 0;
  std::int64_t timer_ns = 0; // 0: none
};

struct Model {
  ModelTraits traits;
  std::map<std::uint64_t, RunKey> queue; // by order of arrival
  std::vector<WorkerId> workers;         // from start until ended
  std::uint64_t measured_bytes = 0;      // the most that a worker of it has taken
  std::vector<std::int64_t> failures_ns; // loads that failed, within the window
  std::size_t failures_in_row = 0;
  std::int64_t backoff_until_ns = 0;
  std::int64_t unhealthy_until_ns = 0;
  std::optional<Error> last_error;
  std::int64_t timer_ns = 0; // end of the backoff
};

enum class TimerKind : std::uint8_t { run, worker, model, patience, drain };

struct Timer {
  std::int64_t at_ns = 0;
  TimerKind kind = TimerKind::run;
  std::uint64_t id = 0;
  auto operator<=>(const Timer&) const = default;
};

struct Stop {
  std::set<WorkerId> waiting;
  std::size_t ended = 0;
};

struct State {
  Config config;
  std::map<ModelId, Model> models;
  std::map<WorkerId, Worker> workers;
  std::map<RunKey, Run> runs;
  std::set<ModelId> waiting; // models with a queue
  std::set<Timer> timers;
  std::map<std::uint64_t, Stop> stops; // by token
  std::uint64_t next_order = 1;
  WorkerId next_worker = 1;
  std::uint64_t used_bytes = 0;    // reserved by all workers
  int used_tokens = 0;             // of core_tokens
  std::size_t abandoned = 0;       // runs whose caller has been answered
  std::uint64_t blocked_order = 0; // a load that has waited too long for memory; 0: none
  std::int64_t patience_ns = 0;
  bool draining = false, drain_limit_passed = false, drained = false;
  std::int64_t drain_at_ns = 0;

  std::size_t active() const { return runs.size() - abandoned; }
};

// ---- what happened
// -----------------------------------------------------------------------------------------
struct Submit {
  RunKey key = 0;
  ModelId model = 0;
  ModelTraits traits; // of the model; the first submit's count until the model is forgotten
  std::int64_t deadline_ns = 0;
};
struct Cancel {
  RunKey key = 0;
};
struct Loaded {
  WorkerId worker = 0;
  std::uint64_t memory_bytes = 0;
};
struct LoadFailed { // the worker says so; it is still a process
  WorkerId worker = 0;
  Error error;
};
struct SpawnFailed { // there never was a process
  WorkerId worker = 0;
  Error error;
};
struct WorkerBroken { // it broke the protocol or a limit
  WorkerId worker = 0;
  Error error;
};
struct WorkerEnded {
  WorkerId worker = 0;
  Error error;                          // how it ended, for those it takes along
  std::vector<RunKey> not_started = {}; // sent to it, and it had not said that it began
};
struct PredictionEnded {
  RunKey key = 0;
  WorkerId worker = 0;
  PredictionStatus status = PredictionStatus::succeeded; // what the worker says
  bool healthy = true;
  std::uint64_t memory_bytes = 0; // peak
};
struct StopModel {
  std::vector<ModelId> models;
  bool force = false;
  std::uint64_t token = 0;
};
struct Drain {
  std::int64_t limit_ns = 0; // when to cancel what still runs
};
struct Tick {};

struct Event {
  std::int64_t now_ns = 0;
  std::variant<Submit, Cancel, Loaded, LoadFailed, SpawnFailed, WorkerBroken, WorkerEnded, PredictionEnded,
               StopModel, Drain, Tick>
      what;
};

// ---- what is to be done
// ------------------------------------------------------------------------------------
struct Refuse { // the answer to a Submit; nothing else follows for that key
  RunKey key = 0;
  Error error;
};
struct StartWorker {
  WorkerId worker = 0;
  ModelId model = 0;
};
struct Dispatch {
  RunKey key = 0;
  WorkerId worker = 0;
};
struct SendCancel {
  RunKey key = 0;
  WorkerId worker = 0;
};
enum class EndMode : std::uint8_t { exit, terminate, kill }; // exit frame, SIGTERM, SIGKILL
struct EndWorker {
  WorkerId worker = 0;
  EndMode mode = EndMode::exit;
};
struct Finish { // exactly once per accepted key
  RunKey key = 0;
  bool as_reported = false; // the worker's own words; else status and error
  PredictionStatus status = PredictionStatus::failed;
  std::optional<Error> error;
};
struct StopDone {
  std::uint64_t token = 0;
  std::size_t ended = 0;
};
struct DrainDone {};

using Action =
    std::variant<Refuse, StartWorker, Dispatch, SendCancel, EndWorker, Finish, StopDone, DrainDone>;

void step(State& state, const Event& event, std::vector<Action>& actions);
// The earliest time at which something happens by itself.
std::optional<std::int64_t> next_wakeup_ns(const State& state);
// Drops models that hold no worker, no queue and no failure (call now and then; their measured size is lost).
void forget_idle_models(State& state);

} // namespace mrun::sched
