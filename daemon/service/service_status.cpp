// What the daemon tells of itself, and how it stops.
#include <boost/asio/post.hpp>
#include <unistd.h>

#include "common/build_info.h"
#include "common/log.h"
#include "daemon/service/service_impl.h"
#include "packager/remote_name.h"

namespace mrun {
namespace {

Json worker_json(const WorkerStatus& worker) {
  return {{"model", worker.model},
          {"version", worker.version.hex()},
          {"state", worker.state},
          {"pid", worker.pid > 0 ? Json(worker.pid) : Json(nullptr)},
          {"device", worker.device},
          {"threads", worker.threads},
          {"memory_bytes", worker.memory_bytes},
          {"running", worker.running},
          {"queued", worker.queued},
          {"loaded_at", worker.loaded_ns == 0 ? Json(nullptr) : Json(rfc3339_utc(worker.loaded_ns))},
          {"idle_ns", worker.idle_ns},
          {"predictions", worker.predictions},
          {"last_error", worker.last_error.empty() ? Json(nullptr) : Json(worker.last_error)}};
}

} // namespace

Json Service::ps() const {
  Json models = Json::array();
  std::uint64_t used_bytes = 0;
  for (const WorkerStatus& worker : m_runner->workers()) {
    used_bytes += worker.memory_bytes;
    Json json = worker_json(worker);
    json["cost"] = worker_cost(worker);
    models.push_back(std::move(json));
  }
  const std::optional<int> zygote = m_runner->zygote_pid();
  return {{"schema", "mrun.ps/v1"},
          {"models", std::move(models)},
          {"zygote", zygote ? Json{{"pid", *zygote}, {"ready", m_runner->zygote_is_ready()}} : Json(nullptr)},
          {"core_tokens", m_config.runner.core_tokens},
          {"memory", {{"budget_bytes", m_config.runner.memory_budget_bytes}, {"used_bytes", used_bytes}}}};
}

Json Service::status() const {
  const HomePaths& home = m_config.home;
  return {{"schema", "mrun.status/v1"},
          {"build", m_config.build},
          {"version", version_text()},
          {"pid", ::getpid()},
          {"uptime_ns", m_clock.monotonic_ns() - m_started_ns},
          {"active", m_live.size()},
          {"idle", m_live.empty() && m_config.listening.empty()}, // nobody misses it when it stops
          {"draining", m_draining},
          {"database_error", m_database_error ? Json(m_database_error->message) : Json(nullptr)},
          {"core_tokens", m_config.runner.core_tokens},
          {"memory_budget_bytes", m_config.runner.memory_budget_bytes},
          {"torch_dir", m_config.runner.torch_dir.empty() ? Json(nullptr) : Json(m_config.runner.torch_dir)},
          {"listen", m_config.listening},
          {"allow_hosts", m_config.allow_hosts},
          {"home",
           {{"config", home.config_file.string()},
            {"data", home.data.string()},
            {"state", home.state.string()},
            {"cache", home.cache.string()},
            {"socket", home.socket.string()}}}};
}

// A name that the store does not know (packed on the fly, or removed since) may still be one that `ps` shows.
Result<Digest> Service::loaded_as(const Reference& reference, const Error& unknown) const {
  std::set<Digest> loaded;
  for (const WorkerStatus& worker : m_runner->workers())
    if (worker.model == reference.model()) loaded.insert(worker.version);
  const bool bare_name = reference.has_name() && !reference.digest && reference.digest_prefix.empty();
  if (!bare_name || !reference.tag.empty() || loaded.empty()) return tl::unexpected<Error>(unknown);
  if (loaded.size() == 1) return *loaded.begin();
  return fail(ErrorCode::digest_ambiguous,
              fmt::format("{} versions of {} are loaded", loaded.size(), reference.model()),
              "name one by its digest (`mrun ps --json`)");
}

void Service::stop_model(const std::string& reference, bool force, Callback<std::size_t> done) {
  const Result<Reference> parsed = Reference::parse(reference);
  if (!parsed) return done(tl::unexpected(parsed.error()));
  m_background.call<Digest>(
      [this, wanted = *parsed](ReaderDatabase&) { return find_version(m_store, wanted); },
      [this, wanted = *parsed, force, done = std::move(done)](Result<Digest> digest) {
        if (!digest && digest.error().code == ErrorCode::model_not_found)
          digest = loaded_as(wanted, digest.error());
        if (!digest) return done(tl::unexpected(digest.error()));
        m_runner->stop_model(*digest, force, [done](std::size_t stopped) { done(stopped); });
      });
}

void Service::prepare() {
  if (!m_draining) m_runner->prepare_zygote();
}

void Service::shut_down() {
  if (m_draining) return;
  m_draining = true;
  log_info("stopping: {} predictions are under way", m_live.size());
  m_runner->drain(m_config.drain_limit, [this] {
    m_runner_drained = true;
    leave_if_drained();
  });
}

} // namespace mrun
