// Starting workers and feeding them.
#include <algorithm>

#include <fcntl.h>
#include <fmt/format.h>

#include "common/limits.h"
#include "common/log.h"
#include "common/text.h"
#include "daemon/runner/load_spec.h"
#include "daemon/runner/runner_impl.h"
#include "runtime/messages.h"

namespace mrun {
namespace {

constexpr std::size_t k_logs_kept = 64;

std::filesystem::path log_file_of(const RunnerConfig& config, const std::string& model, int pid,
                                  std::int64_t wall_ns) {
  std::string name = model;
  std::ranges::replace(name, '/', '-');
  return config.log_folder / "workers" / worker_log_name(name, wall_ns, pid);
}

Result<UniqueFd> duplicate(int fd) {
  UniqueFd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!copy) return fail_errno(ErrorCode::resources, errno, "can't pass a descriptor to a worker");
  return copy;
}

} // namespace

// The load frame goes into the socket before the process exists: the worker finds it there when it has
// started.
Result<void> Runner::Impl::start_worker(sched::WorkerId id, sched::ModelId model_id) {
  const ModelRecord& model = models.at(model_id);
  LiveWorker& worker = live_workers[id];
  worker.model = model_id;
  begin_load(id, worker, model);
  WorkerProcess::Ends ends;
  MRUN_ASSIGN(worker.process, WorkerProcess::create(io, id, *this, ends));
  MRUN_TRY(send_load(worker, model));
  if (logs_until_prune-- == 0) {
    std::set<std::string> in_use;
    for (const auto& [other, live] : live_workers)
      if (live.process) in_use.insert(live.process->log().path());
    prune_logs(config.log_folder / "workers", k_logs_kept, in_use);
    logs_until_prune = k_logs_kept;
  }
  tell_phase(worker, Phase::spawn);
  // A child of the zygote has LibTorch's answer to whether there is CUDA, from before libtorch_cuda.so.
  const bool forks = config.use_zygote && needs_torch(model.bundle->manifest.engine) && model.device == "cpu";
  if (forks) zygote.prepare();
  if (!forks || !zygote.is_available()) return spawn_plain(id, std::move(ends));
  zygote.fork(std::move(ends), [this, id](Result<Child> child, WorkerProcess::Ends back) {
    const auto found = live_workers.find(id);
    if (found == live_workers.end()) return;
    const std::string& name = models.at(found->second.model).traits.name;
    if (child) {
      const int pid = child->pid;
      return found->second.process->attach(std::move(*child), false,
                                           log_file_of(config, name, pid, clock.wall_ns()));
    }
    log_warn("'{}' starts without the zygote: {}", name, child.error().message);
    auto spawned = found->second.process->is_ending()
                       ? Result<void>(fail(ErrorCode::load_failed, "the load was dropped"))
                       : spawn_plain(id, std::move(back));
    if (!spawned) {
      forget_worker(id);
      feed(sched::SpawnFailed{id, spawned.error()});
    }
  });
  return {};
}

Result<void> Runner::Impl::spawn_plain(sched::WorkerId id, WorkerProcess::Ends ends) {
  LiveWorker& worker = live_workers.at(id);
  const ModelRecord& model = models.at(worker.model);
  const std::string& engine = model.bundle->manifest.engine;
  MRUN_ASSIGN(Child child, spawn_child({config.install.worker().string(),
                                        {"--engine", engine_argument(config, engine)},
                                        worker_environment(config, engine),
                                        ends.control.get(),
                                        ends.output.get()}));
  const int pid = child.pid;
  worker.process->attach(std::move(child), true,
                         log_file_of(config, model.traits.name, pid, clock.wall_ns()));
  return {};
}

Result<void> Runner::Impl::send_load(LiveWorker& worker, const ModelRecord& model) {
  std::vector<UniqueFd> fds;
  MRUN_ASSIGN(UniqueFd blobs, duplicate(store.blobs_dir_fd()));
  fds.push_back(std::move(blobs));
  auto cache = open_cache_folder(config, model.version);
  if (cache)
    fds.push_back(std::move(*cache));
  else
    log_warn("'{}' loads without a cache: {}", model.traits.name, cache.error().message);
  Json header = load_message(fds.size() > 1);
  return worker.process->send(std::move(header), load_spec(*model.bundle, model.device, model.worker_threads),
                              std::move(fds));
}

void Runner::Impl::tell_phase(const LiveWorker& worker, Phase phase) {
  const auto known = state.models.find(worker.model);
  if (known == state.models.end() || load_waited_for(worker.model) != &worker) return;
  for (const auto& [order, key] : known->second.queue) {
    if (door_depth > 0)
      later([this, waiter = key, phase] {
        if (runs.contains(waiter)) listener.on_phase(waiter, phase);
      });
    else if (runs.contains(key))
      listener.on_phase(key, phase);
  }
}

// Input and files stay here until the worker has begun: should it die before, they go to the next one.
Result<void> Runner::Impl::send_predict(RunKey key, LiveRun& run, LiveWorker& worker) {
  const std::size_t file_count = run.request.files.size();
  std::string input = canonical_json(run.request.input);
  const bool is_large = input.size() > k_max_inline_payload_bytes; // then it takes a descriptor itself
  if (file_count + (is_large ? 1 : 0) > k_max_frame_fds)
    return fail(ErrorCode::request_too_large, fmt::format("the input has {} files, a prediction may have {}",
                                                          file_count, k_max_frame_fds - (is_large ? 1 : 0)));
  if (input.size() > k_max_payload_bytes)
    return fail(ErrorCode::request_too_large,
                fmt::format("the input takes {}, the limit is {}", format_bytes(input.size()),
                            format_bytes(k_max_payload_bytes)));
  std::vector<UniqueFd> files;
  files.reserve(file_count);
  for (const UniqueFd& file : run.request.files) {
    MRUN_ASSIGN(UniqueFd copy, duplicate(file.get()));
    files.push_back(std::move(copy));
  }
  return worker.process->send(predict_message(key, file_count), std::move(input), std::move(files));
}

} // namespace mrun
