// The runner: predictions in, worker processes underneath, events out.
//
// It joins the scheduler (a pure step function, daemon/runner/scheduler.h) with the supervisor (processes,
// frames, kill ladder, backoff). It knows nothing of HTTP, of the database or of money. Everything here runs
// on the one io thread; no call waits for a process or a peer. It does write the workers' logs, and looks for
// a torch bundle in the store when a zygote is to be prepared.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include "common/clock.h"
#include "common/digest.h"
#include "common/error.h"
#include "common/fd.h"
#include "common/json.h"
#include "common/paths.h"
#include "common/phases.h"
#include "daemon/api/prediction.h"
#include "daemon/runner/model_settings.h"
#include "packager/store.h"

namespace mrun {

using RunKey = std::uint64_t;    // chosen by the caller, unique while it runs
using WorkerKey = std::uint64_t; // of one worker process, never used again by this runner; 0: none

struct RunRequest {
  RunKey key = 0;
  std::shared_ptr<const Bundle>
      bundle; // shared: by every queued prediction and the worker that has it loaded
  Json input; // checked; file inputs are {"$file": index into files, name, media_type, size}
  std::vector<UniqueFd> files;
  std::optional<std::int64_t> deadline_monotonic_ns;
  std::string device = "auto"; // auto | cpu | cuda:N
};

// One output value of a running prediction.
struct RunOutput {
  enum class Kind { json, text, file };
  Kind kind = Kind::json;
  Json value;             // json
  std::string text;       // text chunk
  std::string media_type; // file
  std::string name;
  std::string small_file; // a file's content: this, or the worker's sealed memory
  Mapping large_file;

  std::string_view bytes() const {
    return large_file.bytes().empty() ? std::string_view(small_file) : large_file.text();
  }
};

// What a worker has read from disk since it began.
struct WorkerReads {
  std::uint64_t read_bytes = 0;
  std::uint64_t major_faults = 0;
};

// A stretch in which a loaded worker ran nothing.
struct IdleStretch {
  std::int64_t began_wall_ns = 0;
  std::int64_t duration_ns = 0;
  std::int64_t machine_ns = 0; // its share of the machine's time (machine_time.h)
  RunKey ended_by = 0;         // whose dispatch ended it, where on_worker_gone tells; 0: nobody's
};

struct LoadBegan {
  WorkerKey worker = 0;
  Digest version;
  std::string model;
  std::string device;
  RunKey cause = 0; // who waits for it longest
  std::int64_t wall_ns = 0;
};

struct LoadEnded {
  WorkerKey worker = 0;
  PredictionStatus status =
      PredictionStatus::failed; // succeeded, failed, or canceled: nobody wanted it any more
  Phases phases;                // they add up to the duration
  std::int64_t duration_ns = 0;
  std::int64_t machine_ns = 0; // its share of the machine's time
};

struct RunOutcome {
  PredictionStatus status = PredictionStatus::failed; // succeeded, failed, canceled or aborted
  std::optional<Error> error;                         // for every status but succeeded
  Phases phases;           // queue … predict, from the daemon's and the worker's clocks
  bool cold_start = false; // this prediction waited for a load
  std::uint64_t peak_memory_bytes = 0;
  std::optional<WorkerReads> reads; // as its worker said; none from one that died
  std::string device = "cpu";
  std::string device_reason; // why `auto` was no GPU; "" where nobody would wonder
  int worker_pid = 0;
  std::string log_path;                    // of the worker, "" when it never ran
  std::vector<std::string> last_log_lines; // at most 50; filled on failure
  WorkerKey worker = 0;                    // where it ran
  std::int64_t machine_ns = 0;             // of phases[predict]: its share of the machine's time
  std::int64_t worker_ns = 0;              // and of its worker's, shared with what else ran there
  std::vector<std::pair<WorkerKey, IdleStretch>> idle_before; // what its dispatch ended
  std::optional<std::int64_t> idle_from_wall_ns;              // its worker has nothing to do from then on
};

// What the service hears; called on the io thread, in the order of the events of each key.
class RunListener {
 public:
  virtual ~RunListener() = default;
  virtual void on_phase(RunKey key, Phase phase) = 0; // the load that this key waits for entered a phase
  virtual void on_started(RunKey key) = 0;
  virtual void on_output(RunKey key, RunOutput output) = 0;
  virtual void on_log(RunKey key, std::string_view level, std::string_view text) = 0;
  virtual void on_metric(RunKey key, const std::string& name, double value) = 0;
  virtual void on_done(RunKey key, RunOutcome outcome) = 0; // exactly once per accepted key, last

  // The life of each worker: it begins to load, ends to, waits, and is gone. Its idleness is told by the
  // outcome of the prediction that begins or ends it where there is one, else here.
  virtual void on_load_began(const LoadBegan&) {}
  virtual void on_load_ended(const LoadEnded&) {}
  virtual void on_idle_began(WorkerKey, std::int64_t /*wall_ns*/) {}
  virtual void on_worker_gone(WorkerKey, const std::optional<IdleStretch>&) {}
};

struct WorkerStatus {
  WorkerKey worker = 0; // 0: there is none, the model is in cool-down
  Digest version;
  std::string model;
  std::string state; // starting, loading, idle, busy, stopping, cooling
  int pid = 0;
  std::string device;
  int threads = 0;
  std::uint64_t memory_bytes = 0;
  std::size_t running = 0, queued = 0;
  std::int64_t loaded_ns = 0;       // wall clock, 0 while loading
  std::int64_t idle_ns = 0;         // since the last prediction ended
  std::int64_t idle_machine_ns = 0; // the part of it that is the machine's time
  std::uint64_t predictions = 0;
  std::string last_error; // of a model in cool-down
};

// What a prediction would meet if it came now.
struct RunPlan {
  enum class Start : std::uint8_t { at_once, after_load, in_queue };
  std::string device;
  int threads = 0;                // that it takes; 0: none of its own
  std::uint64_t memory_bytes = 0; // of its worker: measured, else estimated
  Start start = Start::at_once;
  std::size_t queued = 0;           // of the same model, before it
  std::vector<std::string> unloads; // models that make room for it
};

struct RunnerConfig {
  InstallPaths install;
  std::filesystem::path log_folder;
  std::filesystem::path cache_folder;    // <cache>/prepared/<version> is the worker's cache directory
  std::string torch_dir;                 // absolute, "" when there is none
  std::uint64_t memory_budget_bytes = 0; // for all workers
  int core_tokens = 1;                   // affinity ∩ cgroup quota
  int gpu_count = 0;                     // that the driver shows (devices.h)
  std::size_t max_queue = k_max_queue_length;
  bool use_zygote = true;
  std::chrono::milliseconds zygote_idle = k_zygote_idle;   // it ends after this time without any worker
  std::chrono::milliseconds zygote_grace = k_term_grace;   // what it has to answer a fork, and to end
  std::chrono::milliseconds cancel_grace = k_cancel_grace; // what a model has to react to a cancel
  std::chrono::seconds idle_unload{0};                     // 0: workers stay until memory is needed
  std::map<std::string, ModelSettings> models;             // by the manifest's name
};

class Runner {
 public:
  // `store` and `listener` outlive the runner.
  Runner(boost::asio::io_context& io, RunnerConfig config, Store& store, RunListener& listener,
         const Clock& clock = system_clock());
  ~Runner(); // kills every worker

  // Accepts or refuses at once. Errors: queue_full, draining, model_unhealthy, memory_insufficient (larger
  // than the whole budget), engine_missing, device_unavailable. After acceptance on_done comes exactly once.
  Result<void> submit(RunRequest request);
  // What submit() would do: its errors, or where and when such a prediction would run. Nothing changes.
  Result<RunPlan> plan(const Bundle& bundle, const std::string& device) const;
  // Idempotent; unknown keys are ignored. on_done follows with canceled (or its real end, whichever is
  // first).
  void cancel(RunKey key);
  // Unloads a model: its queue goes on (reloads), unless `force`, which cancels what runs and waits. `done`
  // gets the number of workers that ended.
  void stop_model(const Digest& version, bool force, std::function<void(std::size_t)> done);
  // Accepts nothing more; waits for running predictions up to `limit`, then cancels; aborts what is queued
  // beyond the limit; then ends all workers and calls `done`.
  void drain(std::chrono::milliseconds limit, std::function<void()> done);
  // Starts the zygote when the store holds a torch bundle (call when ready, and after a pack).
  void prepare_zygote();

  std::vector<WorkerStatus> workers() const;
  std::optional<int> zygote_pid() const;
  bool zygote_is_ready() const; // it has opened its engine: a worker is a fork away
  std::size_t active() const;   // queued and running predictions

 private:
  struct Impl;
  std::unique_ptr<Impl> m_impl;
};

} // namespace mrun
