#include "daemon/runner/runner.h"

#include <algorithm>

#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "common/log.h"
#include "daemon/runner/devices.h"
#include "daemon/runner/load_spec.h"
#include "daemon/runner/runner_impl.h"
#include "runtime/messages.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_models_remembered = 1024;

sched::Config scheduler_config(const RunnerConfig& config) {
  sched::Config result;
  result.memory_budget_bytes = config.memory_budget_bytes;
  result.core_tokens = config.core_tokens;
  result.max_queue = config.max_queue;
  result.idle_unload = config.idle_unload;
  result.cancel_grace = config.cancel_grace;
  return result;
}

std::string_view state_text(const sched::Worker& worker, bool said_hello) {
  switch (worker.state) {
  case sched::WorkerState::loading:
    return said_hello ? "loading" : "starting";
  case sched::WorkerState::ready:
    return worker.running.empty() ? "idle" : "busy";
  default:
    return "stopping";
  }
}

} // namespace

Runner::Impl::Impl(boost::asio::io_context& io_context, RunnerConfig runner_config, Store& model_store,
                   RunListener& run_listener, const Clock& run_clock)
    : io(io_context),
      config(std::move(runner_config)),
      store(model_store),
      listener(run_listener),
      clock(run_clock),
      timer(io_context),
      zygote(io_context, config, run_clock, [this](int pid, ExitStatus status) {
        if (pid == 0) { // nobody will tell how its workers ended; they end with it
          const auto workers_now = live_workers;
          for (const auto& [id, worker] : workers_now)
            worker.process->note_orphaned();
          return;
        }
        for (auto& [id, worker] : live_workers)
          if (worker.process->is_forked() && worker.process->pid() == pid)
            return worker.process->note_reaped(status);
      }) {
  state.config = scheduler_config(config);
  std::error_code failed;
  std::filesystem::create_directories(config.log_folder / "workers", failed);
  if (failed)
    log_warn("{} can't be made, workers have no log files: {}", config.log_folder.string(), failed.message());
}

Runner::Impl::~Impl() {
  for (auto& [id, worker] : live_workers)
    worker.process->abandon();
}

// ---- doors
// -------------------------------------------------------------------------------------------------
Result<void> Runner::Impl::submit(RunRequest request) {
  MRUN_ASSIGN(const std::string device, resolve_device(config, request.device, request.bundle->manifest));
  const sched::ModelId model_id = model_of(request, device);
  ModelRecord& model = models.at(model_id);
  const auto known = state.models.find(model_id);
  if (!state.draining && (known == state.models.end() || known->second.workers.empty()))
    MRUN_TRY(check_engine(config, request.bundle->manifest.engine));
  const RunKey key = request.key;
  const std::int64_t now_ns = clock.monotonic_ns();
  step_actions.clear();
  sched::step(state,
              {now_ns, sched::Submit{key, model_id, model.traits, request.deadline_monotonic_ns.value_or(0)}},
              step_actions);
  std::optional<Error> refusal;
  for (sched::Action& action : step_actions)
    if (auto* refuse = std::get_if<sched::Refuse>(&action))
      refusal = std::move(refuse->error);
    else
      actions.push_back(std::move(action));
  if (!refusal) {
    model.bundle = request.bundle;
    LiveRun& run = runs[key];
    run.request = std::move(request);
    run.model = model_id;
    run.submitted_ns = now_ns;
  }
  ++door_depth;
  apply_all();
  --door_depth;
  if (refusal) return tl::unexpected(std::move(*refusal));
  return {};
}

void Runner::Impl::cancel(RunKey key) {
  ++door_depth;
  feed(sched::Cancel{key});
  --door_depth;
}

void Runner::Impl::stop_model(const Digest& version, bool force, std::function<void(std::size_t)> done) {
  std::vector<sched::ModelId> ids;
  for (const auto& [id, model] : models)
    if (model.version == version) ids.push_back(id);
  const std::uint64_t token = next_stop++;
  stop_calls.emplace(token, std::move(done));
  ++door_depth;
  feed(sched::StopModel{std::move(ids), force, token});
  --door_depth;
}

void Runner::Impl::drain(std::chrono::milliseconds limit, std::function<void()> done) {
  drain_calls.push_back(std::move(done));
  ++door_depth;
  feed(sched::Drain{clock.monotonic_ns() + std::chrono::nanoseconds(limit).count()});
  --door_depth;
}

void Runner::Impl::prepare_zygote() {
  if (!config.use_zygote || zygote.pid() || !check_engine(config, "torch")) return;
  const auto tags = store.list();
  if (tags && std::ranges::any_of(*tags, [](const TagEntry& entry) { return needs_torch(entry.engine); }))
    zygote.prepare();
}

std::vector<WorkerStatus> Runner::Impl::workers() const {
  std::vector<WorkerStatus> list;
  for (const auto& [id, model] : models) {
    const auto known = state.models.find(id);
    if (known == state.models.end()) continue;
    WorkerStatus status;
    status.version = model.version;
    status.model = model.traits.name;
    status.device = model.device;
    status.threads = model.worker_threads;
    status.queued = known->second.queue.size();
    if (known->second.last_error) status.last_error = known->second.last_error->message;
    for (const sched::WorkerId worker_id : known->second.workers) {
      const auto worker = live_workers.find(worker_id);
      if (worker == live_workers.end()) continue;
      const sched::Worker& scheduled = state.workers.at(worker_id);
      status.state = state_text(scheduled, worker->second.said_hello);
      status.worker = worker_id;
      status.pid = worker->second.process->pid();
      status.memory_bytes = worker->second.memory_bytes;
      status.running = scheduled.running.size();
      status.loaded_ns = worker->second.loaded_wall_ns;
      status.idle_ns = scheduled.running.empty() && scheduled.idle_since_ns != 0
                           ? clock.monotonic_ns() - scheduled.idle_since_ns
                           : 0;
      const auto& idle = worker->second.idle;
      status.idle_machine_ns = idle ? machine.idle_share(idle->machine, clock.monotonic_ns()) : 0;
      status.predictions = worker->second.predictions;
      list.push_back(status);
    }
    const std::int64_t rests_until_ns =
        std::max(known->second.unhealthy_until_ns, known->second.backoff_until_ns);
    if (known->second.workers.empty() && known->second.last_error && clock.monotonic_ns() < rests_until_ns) {
      status.state = "cooling";
      status.worker = 0;
      list.push_back(status);
    }
  }
  return list;
}

// ---- the scheduler's actions
// ---------------------------------------------------------------------------------
void Runner::Impl::apply_all() {
  if (std::exchange(is_applying, true)) return; // the outer call goes on with what was added
  while (!actions.empty()) {
    const sched::Action action = std::move(actions.front());
    actions.pop_front();
    std::visit([this](const auto& what) { apply(what); }, action);
  }
  is_applying = false;
  arm_timer();
}

void Runner::Impl::apply(const sched::Refuse&) {}

void Runner::Impl::apply(const sched::StartWorker& action) {
  if (const auto started = start_worker(action.worker, action.model); !started) {
    forget_worker(action.worker);
    feed(sched::SpawnFailed{action.worker, started.error()});
  }
}

void Runner::Impl::apply(const sched::Dispatch& action) {
  const auto run = runs.find(action.key);
  const auto worker = live_workers.find(action.worker);
  if (run == runs.end() || worker == live_workers.end()) return;
  run->second.worker = action.worker;
  run->second.dispatched_ns = clock.monotonic_ns();
  begin_share(action.worker, worker->second, run->second);
  begin_log(run->second, worker->second);
  auto sent = send_predict(action.key, run->second, worker->second);
  if (sent) return;
  // Nothing has reached the worker: only this prediction ends.
  run->second.reported = ReportedEnd{PredictionStatus::failed, std::move(sent.error()), 0, 0, {}};
  feed(sched::PredictionEnded{action.key, action.worker, PredictionStatus::failed, true, 0});
}

void Runner::Impl::apply(const sched::SendCancel& action) {
  const auto worker = live_workers.find(action.worker);
  if (worker == live_workers.end()) return;
  if (const auto sent = worker->second.process->send(cancel_message(action.key)); !sent)
    on_broken(action.worker, sent.error());
}

void Runner::Impl::apply(const sched::EndWorker& action) {
  if (const auto worker = live_workers.find(action.worker); worker != live_workers.end())
    worker->second.process->end(action.mode);
}

void Runner::Impl::apply(const sched::Finish& action) {
  if (door_depth > 0) return later([this, action] { apply(action); });
  if (!action.as_reported) return finish(action.key, action.status, action.error);
  const auto run = runs.find(action.key);
  if (run == runs.end()) return;
  MRUN_CHECK(run->second.reported.has_value());
  finish(action.key, run->second.reported->status, run->second.reported->error);
}

void Runner::Impl::apply(const sched::StopDone& action) {
  if (door_depth > 0) return later([this, action] { apply(action); });
  const auto found = stop_calls.find(action.token);
  if (found == stop_calls.end()) return;
  const auto done = std::move(found->second);
  stop_calls.erase(found);
  done(action.ended);
}

void Runner::Impl::apply(const sched::DrainDone& action) {
  if (door_depth > 0) return later([this, action] { apply(action); });
  zygote.stop();
  const auto calls = std::exchange(drain_calls, {});
  for (const auto& done : calls)
    done();
}

void Runner::Impl::later(std::function<void()> call) {
  boost::asio::post(io, [call = std::move(call), is_alive = std::weak_ptr<bool>(alive)] {
    if (is_alive.lock()) call();
  });
}

// Armed for the earliest event only when that is earlier than before: a run's distant deadline costs no
// system call. Waking up too early does no harm.
void Runner::Impl::arm_timer() {
  const auto next_ns = sched::next_wakeup_ns(state);
  if (!next_ns || (timer_at_ns != 0 && timer_at_ns <= *next_ns)) return;
  timer_at_ns = *next_ns;
  timer.expires_after(std::chrono::nanoseconds(std::max<std::int64_t>(*next_ns - clock.monotonic_ns(), 0)));
  timer.async_wait([this, is_alive = std::weak_ptr<bool>(alive)](const boost::system::error_code& failed) {
    if (failed || !is_alive.lock()) return;
    timer_at_ns = 0;
    feed(sched::Tick{});
  });
}

sched::ModelId Runner::Impl::model_of(const RunRequest& request, const std::string& device) {
  auto [place, is_new] = model_ids.try_emplace({request.bundle->digest, device}, next_model);
  if (!is_new) return place->second;
  ++next_model;
  ModelRecord model;
  model.version = request.bundle->digest;
  model.device = device;
  model.traits = model_traits(*request.bundle, config);
  model.worker_threads = worker_threads(*request.bundle, config);
  const sched::ModelId id = place->second;
  models.emplace(id, std::move(model));
  if (models.size() > k_max_models_remembered) forget_models();
  return id;
}

void Runner::Impl::forget_models() {
  sched::forget_idle_models(state);
  std::erase_if(model_ids, [&](const auto& entry) {
    return entry.second + 1 != next_model && !state.models.contains(entry.second) &&
           models.erase(entry.second) > 0;
  });
}

// ---- the façade
// ----------------------------------------------------------------------------------------------
Runner::Runner(boost::asio::io_context& io, RunnerConfig config, Store& store, RunListener& listener,
               const Clock& clock)
    : m_impl(std::make_unique<Impl>(io, std::move(config), store, listener, clock)) {}
Runner::~Runner() = default;

Result<void> Runner::submit(RunRequest request) {
  return m_impl->submit(std::move(request));
}
void Runner::cancel(RunKey key) {
  m_impl->cancel(key);
}
void Runner::stop_model(const Digest& version, bool force, std::function<void(std::size_t)> done) {
  m_impl->stop_model(version, force, std::move(done));
}
Result<RunPlan> Runner::plan(const Bundle& bundle, const std::string& device) const {
  return m_impl->plan(bundle, device);
}
void Runner::drain(std::chrono::milliseconds limit, std::function<void()> done) {
  m_impl->drain(limit, std::move(done));
}
void Runner::prepare_zygote() {
  m_impl->prepare_zygote();
}
std::vector<WorkerStatus> Runner::workers() const {
  return m_impl->workers();
}
std::optional<int> Runner::zygote_pid() const {
  return m_impl->zygote.pid();
}
bool Runner::zygote_is_ready() const {
  return m_impl->zygote.is_ready();
}
std::size_t Runner::active() const {
  return m_impl->state.active();
}

} // namespace mrun
