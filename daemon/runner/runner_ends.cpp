// How predictions and workers end: outcomes with phases, errors from exit codes and signals.
#include <algorithm>
#include <csignal>

#include <fmt/format.h>

#include "common/text.h"
#include "daemon/runner/devices.h"
#include "daemon/runner/runner_impl.h"
#include "daemon/runner/scheduler_detail.h"

namespace mrun {

void Runner::Impl::finish(RunKey key, PredictionStatus status, std::optional<Error> error) {
  const auto found = runs.find(key);
  if (found == runs.end() || found->second.is_finished) return;
  LiveRun& run = found->second;
  LiveWorker* worker = nullptr;
  if (const auto ran = live_workers.find(run.worker); ran != live_workers.end()) worker = &ran->second;
  if (run.worker == 0) worker = load_waited_for(run.model);
  RunOutcome outcome;
  outcome.status = status;
  outcome.error = std::move(error);
  outcome.phases = phases_of(run, worker, clock.monotonic_ns());
  outcome.worker = run.worker;
  outcome.idle_before = std::move(run.idle_before);
  end_share(run, worker, &outcome);
  outcome.idle_from_wall_ns = begin_idle(run.worker);
  outcome.peak_memory_bytes = run.reported ? run.reported->peak_memory_bytes : 0;
  if (run.reported) outcome.reads = run.reported->reads;
  if (const auto model = models.find(run.model); model != models.end()) outcome.device = model->second.device;
  if (outcome.device == "cpu" && run.request.device == "auto")
    outcome.device_reason = why_not_gpu(config, run.request.bundle->manifest);
  if (worker != nullptr) {
    outcome.cold_start = !worker->timeline.is_ended() || worker->timeline.end_ns() > run.submitted_ns;
    outcome.peak_memory_bytes =
        std::max(outcome.peak_memory_bytes, run.worker != 0 ? worker->memory_bytes : 0);
    outcome.worker_pid = worker->process->pid();
    outcome.log_path = worker->process->log().path();
    if (status == PredictionStatus::failed) outcome.last_log_lines = last_lines_of(run, *worker);
  }
  if (state.runs.contains(key))
    run.is_finished = true; // abandoned: the worker still holds the slot
  else
    runs.erase(found);
  listener.on_done(key, std::move(outcome));
}

// What a queued prediction waits for: the oldest worker of its model. A later one only helps out.
LiveWorker* Runner::Impl::load_waited_for(sched::ModelId model) {
  const auto found =
      std::ranges::find_if(live_workers, [&](const auto& entry) { return entry.second.model == model; });
  return found == live_workers.end() ? nullptr : &found->second;
}

// Called when it is dispatched: a failure's report has its own lines only, never another caller's.
void Runner::Impl::begin_log(LiveRun& run, LiveWorker& worker) {
  run.first_log_line = worker.process->take_output();
  const auto scheduled = state.workers.find(run.worker);
  if (scheduled == state.workers.end() || scheduled->second.running.size() < 2) return;
  for (const RunKey key : scheduled->second.running)
    if (const auto other = runs.find(key); other != runs.end()) other->second.shared_log = true;
}

std::vector<std::string> Runner::Impl::last_lines_of(const LiveRun& run, const LiveWorker& worker) const {
  if (run.worker == 0) { // it waited for the load
    if (worker.is_loaded) return {};
    return worker.process->log().last_lines();
  }
  if (run.shared_log) return {};
  return worker.process->log().last_lines(run.first_log_line);
}

Phases Runner::Impl::phases_of(const LiveRun& run, const LiveWorker* worker, std::int64_t now_ns) const {
  Phases phases;
  const std::int64_t waited_until_ns = run.dispatched_ns != 0 ? run.dispatched_ns : now_ns;
  const std::int64_t total_ns = now_ns - run.submitted_ns;
  if (worker == nullptr || (worker->timeline.is_ended() && worker->timeline.end_ns() <= run.submitted_ns)) {
    phases[Phase::queue] = waited_until_ns - run.submitted_ns;
  } else {
    const LoadTimeline& load = worker->timeline;
    const std::int64_t load_end_ns = load.is_ended() ? load.end_ns() : waited_until_ns;
    load.add_to(phases, run.submitted_ns, waited_until_ns);
    phases[Phase::queue] =
        std::max<std::int64_t>(load.begin_ns() - run.submitted_ns, 0) +
        std::max<std::int64_t>(waited_until_ns - std::max(load_end_ns, run.submitted_ns), 0);
  }
  if (run.reported)
    phases[Phase::predict] =
        std::clamp<std::int64_t>(run.reported->predict_ns, 0, now_ns - run.dispatched_ns);
  else if (run.is_started)
    phases[Phase::predict] = now_ns - run.dispatched_ns;
  phases.close(total_ns);
  return phases;
}

Error Runner::Impl::exit_error(const LiveWorker& worker, ExitStatus status) const {
  const std::string& name = models.at(worker.model).traits.name;
  const std::string_view when = worker.is_loaded ? "" : " while it loaded";
  const int pid = worker.process->pid();
  if (status.kind == ExitStatus::Kind::signaled && status.value == SIGKILL && !worker.process->was_killed())
    return sched::make_error(ErrorCode::out_of_memory,
                             fmt::format("the worker of '{}' (process {}) was killed{}, and not by mrun: "
                                         "most likely the system ran out of memory",
                                         name, pid, when));
  std::string how = "ended together with the zygote";
  if (status.kind == ExitStatus::Kind::signaled)
    how = "died of " + signal_text(status.value);
  else if (status.kind == ExitStatus::Kind::exited)
    how = fmt::format("ended by itself with exit code {}", status.value);
  // What is mapped can't be read any more: a blob was cut short, or its disk fails.
  const bool lost_file = status.kind == ExitStatus::Kind::signaled && status.value == SIGBUS;
  return sched::make_error(ErrorCode::worker_crashed,
                           fmt::format("the worker of '{}' (process {}) {}{}", name, pid, how, when),
                           lost_file ? "look whether its files are whole: mrun verify " + name : "");
}

void Runner::Impl::on_exit(sched::WorkerId id, ExitStatus status) {
  const auto found = live_workers.find(id);
  if (found == live_workers.end()) return;
  std::vector<RunKey> not_started;
  for (const auto& [key, run] : runs)
    if (run.worker == id && !run.is_started && !run.is_finished) not_started.push_back(key);
  feed(sched::WorkerEnded{id, exit_error(found->second, status), not_started});
  for (const RunKey key : not_started) {
    const auto queued = state.runs.find(key);
    const auto run = runs.find(key);
    if (queued == state.runs.end() || queued->second.worker != 0 || run == runs.end()) continue;
    end_share(run->second, &found->second, nullptr);
    run->second.worker = 0; // sent again, to a new worker
    run->second.dispatched_ns = 0;
  }
  std::erase_if(runs,
                [&](const auto& entry) { return entry.second.worker == id && entry.second.is_finished; });
  forget_worker(id);
}

} // namespace mrun
