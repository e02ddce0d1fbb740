// The end of a prediction: metrics, cost, one transaction, then everybody hears of it.
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "common/log.h"
#include "daemon/service/phases_json.h"
#include "daemon/service/service_impl.h"

namespace mrun {
namespace {

constexpr std::size_t k_recent_predictions = 64;
constexpr std::size_t k_recent_bytes = 64 * k_kib; // a larger one is read from the database again
constexpr std::chrono::seconds k_commit_retry{1};

double seconds(std::int64_t duration_ns) {
  return static_cast<double>(duration_ns) / 1e9;
}

} // namespace

void Service::end(const LivePtr& live, RunOutcome outcome) {
  live->ended = true;
  Prediction& prediction = live->prediction;
  if (live->verdict) {
    outcome.status = PredictionStatus::failed;
    outcome.error = live->verdict;
  }
  MRUN_CHECK(is_terminal(outcome.status));
  prediction.status = outcome.status;
  prediction.completed_ns = m_clock.wall_ns();
  if (outcome.status != PredictionStatus::succeeded) {
    prediction.error = std::move(outcome.error);
    prediction.log_path = outcome.log_path;
    prediction.last_log_lines = std::move(outcome.last_log_lines);
    for (std::string& line : prediction.last_log_lines)
      redact(line, live->secrets);
    if (prediction.error) redact(prediction.error->message, live->secrets);
  } else if (const TypeSpec& type = live->bundle->manifest.output;
             prediction.output.is_null() && type.iterator && !type.concatenate) {
    prediction.output = Json::array(); // an iterator that gave nothing
  }
  auto finished = std::make_shared<FinishedPrediction>();
  finished->output = canonical_json(prediction.output);
  const std::uint64_t output_bytes = finished->output.size() + live->file_bytes;
  prediction.metrics["output_bytes"] = output_bytes;
  Phases phases = outcome.phases;
  set_metrics(*live, outcome, phases, finished->ledger);
  finished->prediction = PredictionPtr(live, &prediction);
  take_stretches(*live, outcome.worker, *finished);
  finished->outputs = live->outputs;
  finished->cold_start = outcome.cold_start;
  finished->has_row = live->row_asked;
  commit_end(live, finished);
  // What follows happens while the writer commits.
  prepare_answers(live);
  log_info("prediction {} model={} version={} status={} cold={} phases={} input_bytes={} output_bytes={} "
           "peak_memory_bytes={} device={} units={} cost={} cost_reference={}{}",
           prediction.id, prediction.model, prediction.version.substr(0, 12), status_name(prediction.status),
           outcome.cold_start, phases_text(phases), live->input_bytes, output_bytes,
           outcome.peak_memory_bytes, outcome.device,
           finished->ledger.units.empty() ? "none" : finished->ledger.units,
           amount_text(finished->ledger.own), amount_text(finished->ledger.reference),
           prediction.error ? fmt::format(" error={}: {}", error_code_text(prediction.error->code),
                                          prediction.error->message)
                            : "");
}

void Service::set_metrics(Live& live, const RunOutcome& outcome, Phases& phases, LedgerRow& ledger) const {
  const std::int64_t total_ns = m_clock.monotonic_ns() - live.created_monotonic_ns;
  phases.close(total_ns);
  Usage usage;
  usage.status = outcome.status;
  usage.phases = phases;
  usage.started = live.prediction.started_ns.has_value();
  ledger.device = outcome.device;
  ledger.predict_ns = phases[Phase::predict];
  ledger.total_ns = total_ns;
  set_charges(outcome, usage, ledger);

  Json& metrics = live.prediction.metrics;
  if (const Json units = live.meter.units(live.prediction.output, metrics); !units.empty()) {
    ledger.units = canonical_json(units);
    metrics.update(units);
  }
  metrics["predict_time"] = seconds(phases[Phase::predict]);
  metrics["total_time"] = seconds(total_ns);
  metrics["phases_ns"] = phases_json(phases);
  metrics["peak_memory_bytes"] = outcome.peak_memory_bytes;
  if (outcome.reads) {
    metrics["read_bytes"] = outcome.reads->read_bytes;
    metrics["major_faults"] = outcome.reads->major_faults;
  }
  metrics["input_bytes"] = live.input_bytes;
  metrics["device"] = outcome.device;
  if (!outcome.device_reason.empty()) metrics["device_reason"] = outcome.device_reason;
  metrics["worker_pid"] = outcome.worker_pid;
  metrics["cold_start"] = outcome.cold_start;
  metrics["cost"] = own_charge_json(ledger.own);
  metrics["cost_reason"] = ledger.own.amount ? Json(nullptr) : Json(ledger.own.reason);
  metrics["cost_reference"] = reference_charge_json(ledger.reference);
}

void Service::commit_end(const LivePtr& live, std::shared_ptr<FinishedPrediction> finished) {
  // The list does not change between the end and its commit, so the writer may read it.
  m_writer.submit({[live, finished](WriterDatabase& database) {
                     finished->events = encode_events(live->events, finished->prediction->output);
                     return database.finish(*finished);
                   },
                   [this, live, finished](const Result<void>& written) {
                     note_database(written);
                     if (written) return on_committed(live);
                     // Whoever waits hears of the failure now; the end itself is tried until the disk takes
                     // it.
                     tell_waiting(live, tl::unexpected(written.error()));
                     tell_broken(live, written.error());
                     if (m_draining) { // the next start ends it as interrupted
                       m_live.erase(live->prediction.id);
                       return leave_if_drained();
                     }
                     // What its worker does by then, another line says.
                     retry_later([this, live, finished] {
                       finished->idle_from.reset();
                       commit_end(live, finished);
                     });
                   },
                   live->durable});
}

void Service::retry_later(std::function<void()> retry) {
  m_retries.push_back(std::move(retry));
  if (m_retries.size() > 1) return; // the timer runs; arming it anew would put it off
  m_retry.expires_after(k_commit_retry);
  m_retry.async_wait([this](const boost::system::error_code& stopped) {
    if (stopped) return;
    for (const std::function<void()>& again : std::exchange(m_retries, {}))
      again();
  });
}

void Service::prepare_answers(const LivePtr& live) {
  for (const std::shared_ptr<Follower>& follower : std::vector(live->followers))
    if (follower->active && follower->prepare) follower->prepare(live->prediction);
}

// The callers who wait come first, the bookkeeping after them.
void Service::on_committed(const LivePtr& live) {
  live->committed = true;
  live->visible = true;
  tell_waiting(live, PredictionPtr(live, &live->prediction));
  ++m_runs[live->prediction.model];
  append_event(*live, EventType::done, live->prediction.completed_ns.value_or(0),
               {{"id", live->prediction.id}, {"status", status_name(live->prediction.status)}});
  m_live.erase(live->prediction.id);
  if (live->kept_bytes + live->input_bytes + live->prediction.logs.size() <= k_recent_bytes) {
    m_recent.push_back(live);
    if (m_recent.size() > k_recent_predictions) m_recent.pop_front();
  }
  deliver(live);
  live->bundle.reset();
  live->secrets.clear();
  leave_if_drained();
}

void Service::tell_waiting(const LivePtr& live, const Result<PredictionPtr>& ended) {
  for (const std::shared_ptr<Follower>& follower : std::vector(live->followers))
    if (follower->active && follower->on_done) {
      follower->active = false;
      follower->on_done(ended);
    }
}

// What can't be recorded can't be told: who listens hears why, and nothing more.
void Service::tell_broken(const LivePtr& live, const Error& error) {
  for (const std::shared_ptr<Follower>& follower : std::vector(live->followers))
    if (follower->active && follower->on_event) follower->break_off(error);
}

void Service::note_database(const Result<void>& written) {
  if (!written && !m_database_error)
    log_error("{}; no prediction is taken until a write succeeds", written.error().message);
  if (written && m_database_error) log_info("the database works again");
  m_database_error = written ? std::nullopt : std::optional(written.error());
}

void Service::leave_if_drained() {
  if (m_runner_drained && m_live.empty() && m_config.on_drained)
    boost::asio::post(m_io, std::exchange(m_config.on_drained, nullptr));
}

} // namespace mrun
