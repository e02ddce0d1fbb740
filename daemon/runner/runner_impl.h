// Inside of the runner. One Impl on the io thread: runner.cpp holds the doors and the scheduler's actions,
// runner_frames.cpp what workers say, runner_ends.cpp how predictions and workers end.
#pragma once

#include <deque>
#include <unordered_map>

#include <boost/asio/steady_timer.hpp>

#include "daemon/runner/load_timeline.h"
#include "daemon/runner/machine_time.h"
#include "daemon/runner/runner.h"
#include "daemon/runner/scheduler.h"
#include "daemon/runner/worker_process.h"
#include "daemon/runner/zygote.h"

namespace mrun {

struct ModelRecord {
  Digest version;
  std::string device;
  sched::ModelTraits traits;
  std::shared_ptr<const Bundle> bundle; // shared with the predictions; for the next load
  int worker_threads = 1;
};

// A stretch of a worker's life that goes on.
struct OpenTime {
  std::int64_t began_ns = 0, began_wall_ns = 0;
  SharedTime machine = 0;
};

struct LiveWorker {
  sched::ModelId model = 0;
  std::shared_ptr<WorkerProcess> process; // shared: see WorkerProcess
  LoadTimeline timeline;
  bool said_hello = false, is_loaded = false, is_broken = false;
  std::size_t phase_frames = 0;
  std::int64_t loaded_wall_ns = 0;
  std::uint64_t memory_bytes = 0;
  std::uint64_t predictions = 0;
  std::optional<OpenTime> load, idle; // which of them goes on, if any
  SharedClock time;                   // its own, shared by what runs in it
};

// What a `done` frame said.
struct ReportedEnd {
  PredictionStatus status = PredictionStatus::failed;
  std::optional<Error> error;
  std::int64_t predict_ns = 0;
  std::uint64_t peak_memory_bytes = 0;
  WorkerReads reads;
};

struct LiveRun {
  RunRequest request; // input and files are kept until the worker has begun
  sched::ModelId model = 0;
  sched::WorkerId worker = 0;
  std::int64_t submitted_ns = 0, dispatched_ns = 0;
  std::uint64_t first_log_line = 0; // of the worker's log
  bool shared_log = false;          // others ran there at the same time: whose line is whose is unknown
  bool is_started = false;
  bool is_finished = false; // the listener has its on_done; the worker still holds the slot
  std::size_t output_items = 0, metrics = 0;
  std::uint64_t output_bytes = 0, file_bytes = 0, log_bytes = 0, line_bytes = 0;
  std::optional<ReportedEnd> reported;
  bool has_share = false; // it is dispatched and takes part in the machine's time
  SharedTime machine = 0, worker_time = 0;
  std::vector<std::pair<WorkerKey, IdleStretch>> idle_before;
};

struct Runner::Impl : WorkerHandler {
  Impl(boost::asio::io_context& io_context, RunnerConfig runner_config, Store& model_store,
       RunListener& run_listener, const Clock& run_clock);
  ~Impl() override;

  // ---- doors (runner.cpp)
  Result<void> submit(RunRequest request);
  Result<RunPlan> plan(const Bundle& bundle, const std::string& device) const; // runner_plan.cpp
  void cancel(RunKey key);
  void stop_model(const Digest& version, bool force, std::function<void(std::size_t)> done);
  void drain(std::chrono::milliseconds limit, std::function<void()> done);
  void prepare_zygote();
  std::vector<WorkerStatus> workers() const;

  // ---- the scheduler's step and its actions (runner.cpp)
  template<class What>
  void feed(What what);
  void apply_all();
  void apply(const sched::Refuse& action);
  void apply(const sched::StartWorker& action);
  void apply(const sched::Dispatch& action);
  void apply(const sched::SendCancel& action);
  void apply(const sched::EndWorker& action);
  void apply(const sched::Finish& action);
  void apply(const sched::StopDone& action);
  void apply(const sched::DrainDone& action);
  void arm_timer();
  sched::ModelId model_of(const RunRequest& request, const std::string& device);
  void forget_models();
  void later(std::function<void()> call); // not from inside of a door

  // ---- starting (runner_start.cpp)
  Result<void> start_worker(sched::WorkerId id, sched::ModelId model_id);
  Result<void> send_load(LiveWorker& worker, const ModelRecord& model);
  Result<void> spawn_plain(sched::WorkerId id, WorkerProcess::Ends ends);
  void tell_phase(const LiveWorker& worker, Phase phase);
  Result<void> send_predict(RunKey key, LiveRun& run, LiveWorker& worker);

  // ---- what workers say (runner_frames.cpp)
  void on_frame(sched::WorkerId worker, Frame& frame) override;
  void on_broken(sched::WorkerId worker, const Error& error) override;
  void on_line(sched::WorkerId worker, std::string_view line) override;
  void on_exit(sched::WorkerId worker, ExitStatus status) override;
  Result<void> on_hello(sched::WorkerId id, LiveWorker& worker, Frame& frame);
  Result<void> on_phase(sched::WorkerId id, LiveWorker& worker, Frame& frame);
  Result<void> on_loaded(sched::WorkerId id, LiveWorker& worker, Frame& frame);
  Result<void> on_load_failed(sched::WorkerId id, LiveWorker& worker, Frame& frame);
  Result<void> on_started(sched::WorkerId id, LiveWorker& worker, Frame& frame);
  Result<void> on_log(sched::WorkerId id, LiveWorker& worker, Frame& frame);
  Result<void> on_output(sched::WorkerId id, LiveWorker& worker, Frame& frame);
  Result<void> on_metric(sched::WorkerId id, LiveWorker& worker, Frame& frame);
  Result<void> on_done(sched::WorkerId id, LiveWorker& worker, Frame& frame);
  Result<LiveRun*> run_of(sched::WorkerId id, const Frame& frame, RunKey& key);

  // ---- ends (runner_ends.cpp)
  void finish(RunKey key, PredictionStatus status, std::optional<Error> error);
  LiveWorker* load_waited_for(sched::ModelId model);
  // ---- whose time it is (runner_time.cpp)
  void tell(std::function<void()> call); // the listener; not from inside of a door
  void begin_load(sched::WorkerId id, LiveWorker& worker, const ModelRecord& model);
  void end_load(sched::WorkerId id, LiveWorker& worker, PredictionStatus status);
  std::optional<std::int64_t> begin_idle(sched::WorkerId id); // the wall clock, if it has nothing to do now
  std::optional<IdleStretch> end_idle(LiveWorker& worker);
  void note_idle(sched::WorkerId id); // begin_idle(), and tells it
  void begin_share(sched::WorkerId id, LiveWorker& worker, LiveRun& run);
  void end_share(LiveRun& run, LiveWorker* worker, RunOutcome* outcome);
  void forget_worker(sched::WorkerId id);

  Phases phases_of(const LiveRun& run, const LiveWorker* worker, std::int64_t now_ns) const;
  void begin_log(LiveRun& run, LiveWorker& worker);
  std::vector<std::string> last_lines_of(const LiveRun& run, const LiveWorker& worker) const;
  Error exit_error(const LiveWorker& worker, ExitStatus status) const;

  boost::asio::io_context& io;
  RunnerConfig config;
  Store& store;
  RunListener& listener;
  const Clock& clock;

  MachineTime machine;
  sched::State state;
  std::vector<sched::Action> step_actions; // of the step that runs
  std::deque<sched::Action> actions;       // to apply, in order
  bool is_applying = false;
  int door_depth = 0; // inside of a door: callbacks wait until it has returned

  std::map<std::pair<Digest, std::string>, sched::ModelId> model_ids;
  std::map<sched::ModelId, ModelRecord> models;
  sched::ModelId next_model = 1;
  std::map<sched::WorkerId, LiveWorker> live_workers;
  std::unordered_map<RunKey, LiveRun> runs;
  std::map<std::uint64_t, std::function<void(std::size_t)>> stop_calls;
  std::uint64_t next_stop = 1;
  std::vector<std::function<void()>> drain_calls;

  boost::asio::steady_timer timer;
  std::int64_t timer_at_ns = 0; // 0: not armed
  std::size_t logs_until_prune = 0;
  std::shared_ptr<bool> alive =
      std::make_shared<bool>(true); // shared with posted calls: gone, they do nothing
  Zygote zygote;
};

template<class What>
void Runner::Impl::feed(What what) {
  step_actions.clear();
  sched::step(state, {clock.monotonic_ns(), std::move(what)}, step_actions);
  for (sched::Action& action : step_actions)
    actions.push_back(std::move(action));
  apply_all();
}

} // namespace mrun
