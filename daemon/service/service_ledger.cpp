// The ledger: what predictions, loads and idle workers cost, as lines; and questions to it.
#include <fmt/format.h>

#include "common/log.h"
#include "common/machine.h"
#include "cost/own_rate.h"
#include "cost/worker_charge.h"
#include "daemon/service/phases_json.h"
#include "daemon/service/service_impl.h"
#include "daemon/state/ledger_reader.h"

namespace mrun {

const PriceRow* Service::reference_of(std::string_view device) const {
  const std::optional<PriceRow>& row = is_gpu(device) ? m_config.cuda_reference : m_config.cpu_reference;
  return row ? &*row : nullptr;
}

// The user's rate pays for the machine, a vendor's for the instance that one worker is: each by its share. A
// line is active time only; the load that it waited for is a line of its own.
void Service::set_charges(const RunOutcome& outcome, const Usage& usage, LedgerRow& ledger) const {
  Usage share;
  share.status = usage.status;
  share.started = usage.started;
  share.phases[Phase::predict] = outcome.machine_ns;
  ledger.own = own_charge(m_config.own_rate, share);
  if (outcome.machine_ns < usage.phases[Phase::predict] && ledger.own.amount)
    ledger.own.formula = k_shared_formula;
  share.phases[Phase::predict] = outcome.worker_ns;
  ledger.reference = reference_charge(reference_of(outcome.device), share);
}

StretchRow Service::idle_line(WorkerAccount& account, const IdleStretch& idle, std::string status,
                              std::string cause) {
  StretchRow line;
  line.id = new_prediction_id(m_clock.wall_ns());
  line.kind = LedgerKind::idle;
  line.status = std::move(status);
  line.worker = account.life;
  line.cause = std::move(cause);
  line.began_ns = idle.began_wall_ns;
  line.at_ns = idle.began_wall_ns + idle.duration_ns;
  line.duration_ns = idle.duration_ns;
  line.own = own_worker_charge(m_config.own_rate, WorkerTime::idle, idle.machine_ns,
                               idle.machine_ns == idle.duration_ns);
  line.reference =
      reference_worker_charge(reference_of(account.life.device), WorkerTime::idle, idle.duration_ns);
  account.idle_from_ns.reset();
  if (line.own.amount) account.idle.add(*line.own.amount);
  return line;
}

// What the prediction's dispatch and its end did to its worker's idleness. The lines go with its own end,
// which may come later than the worker's.
void Service::note_worker(Live& live, const RunOutcome& outcome) {
  for (const auto& [key, stretch] : outcome.idle_before)
    if (const auto account = m_workers.find(key); account != m_workers.end())
      live.stretches.push_back(idle_line(account->second, stretch, "used", live.prediction.id));
  const auto account = m_workers.find(outcome.worker);
  if (account == m_workers.end()) return;
  live.worker = account->second.life.id;
  if (!outcome.idle_from_wall_ns) return;
  account->second.idle_from_ns = outcome.idle_from_wall_ns;
  live.idle_from = OpenStretch{LedgerKind::idle, account->second.life, "", *outcome.idle_from_wall_ns};
}

void Service::take_stretches(Live& live, WorkerKey worker, FinishedPrediction& finished) {
  finished.ledger.worker = live.worker;
  finished.stretches = std::move(live.stretches);
  const auto account = m_workers.find(worker);
  if (account == m_workers.end()) return;
  if (finished.ledger.own.amount) account->second.active.add(*finished.ledger.own.amount);
  // Unless its line is written already.
  if (live.idle_from && account->second.idle_from_ns == live.idle_from->began_ns)
    finished.idle_from = live.idle_from;
}

void Service::write_line(std::function<Result<void>(WriterDatabase&)> write) {
  m_writer.submit({write,
                   [this, write](const Result<void>& written) {
                     note_database(written);
                     // While it stops: the next start finds the stretch open, and says so.
                     if (!written && !m_draining) retry_later([this, write] { write_line(write); });
                   },
                   false});
}

void Service::on_load_began(const LoadBegan& began) {
  WorkerAccount& account = m_workers[began.worker];
  account.life = {new_prediction_id(began.wall_ns), began.model, began.version.hex(), began.device};
  account.began_ns = began.wall_ns;
  if (const LivePtr live = by_key(began.cause)) account.cause = live->prediction.id;
  const OpenStretch open{LedgerKind::setup, account.life, account.cause, began.wall_ns};
  write_line([open](WriterDatabase& database) { return database.open_stretch(open); });
}

void Service::on_load_ended(const LoadEnded& ended) {
  const auto found = m_workers.find(ended.worker);
  if (found == m_workers.end()) return;
  WorkerAccount& account = found->second;
  StretchRow line;
  line.id = account.life.id;
  line.kind = LedgerKind::setup;
  line.status = status_name(ended.status);
  line.worker = account.life;
  line.cause = account.cause;
  line.began_ns = account.began_ns;
  line.at_ns = account.began_ns + ended.duration_ns;
  line.duration_ns = ended.duration_ns;
  line.phases = canonical_json(phases_json(ended.phases));
  line.own = own_worker_charge(m_config.own_rate, WorkerTime::setup, ended.machine_ns,
                               ended.machine_ns == ended.duration_ns);
  line.reference =
      reference_worker_charge(reference_of(account.life.device), WorkerTime::setup, ended.duration_ns);
  account.setup = line.own;
  log_info("setup {} model={} version={} status={} phases={} device={} cost={} cost_reference={}", line.id,
           account.life.model, account.life.version.substr(0, 12), line.status, phases_text(ended.phases),
           account.life.device, amount_text(line.own), amount_text(line.reference));
  write_line([line](WriterDatabase& database) { return database.end_stretch(line); });
}

void Service::on_idle_began(WorkerKey key, std::int64_t wall_ns) {
  const auto found = m_workers.find(key);
  if (found == m_workers.end()) return;
  found->second.idle_from_ns = wall_ns;
  const OpenStretch open{LedgerKind::idle, found->second.life, "", wall_ns};
  write_line([open](WriterDatabase& database) { return database.open_stretch(open); });
}

void Service::on_worker_gone(WorkerKey key, const std::optional<IdleStretch>& idle) {
  const auto found = m_workers.find(key);
  if (found == m_workers.end()) return;
  if (idle) {
    const LivePtr user = by_key(idle->ended_by);
    const StretchRow line = idle_line(found->second, *idle, user ? "used" : "unloaded",
                                      user ? user->prediction.id : std::string());
    write_line([line](WriterDatabase& database) { return database.end_stretch(line); });
  }
  m_workers.erase(found);
}

// {setup, active, idle, total, currency, idle_reason?}; an amount that is not known is null, and so is a
// total with such a part.
Json Service::worker_cost(const WorkerStatus& worker) const {
  const auto found = m_workers.find(worker.worker);
  if (found == m_workers.end()) return nullptr;
  const WorkerAccount& account = found->second;
  const bool is_whole = m_config.own_rate && !account.began_otherwise;
  const bool is_loading = account.setup.currency.empty() && account.setup.reason.empty();
  Json json = {{"currency", m_config.own_rate ? Json(m_config.own_rate->currency) : Json(nullptr)},
               {"setup", account.setup.amount ? Json(account.setup.amount->text()) : Json(nullptr)},
               {"active", is_whole ? Json(account.active.text()) : Json(nullptr)},
               {"idle", nullptr},
               {"total", nullptr},
               {"reason", nullptr}};
  const Charge now =
      own_worker_charge(m_config.own_rate, WorkerTime::idle, worker.idle_machine_ns, true); // of this stretch
  if (now.amount && account.began_otherwise) {
    json["reason"] = "the rate was set after it was loaded";
    return json;
  }
  if (now.amount) {
    MoneySum idle = account.idle;
    idle.add(*now.amount);
    json["idle"] = idle.text();
    if (account.setup.amount) {
      idle.add(*account.setup.amount);
      idle.add(account.active);
      json["total"] = idle.text();
    }
  }
  if (json["total"].is_null())
    json["reason"] = now.amount ? is_loading ? "it is loading" : account.setup.reason : now.reason;
  return json;
}

Result<Json> Service::reload_cost() {
  MRUN_ASSIGN(std::optional<OwnRate> rate, load_own_rate(m_config.home.config_file.string()));
  const auto currency = [](const std::optional<OwnRate>& of) { return of ? of->currency : std::string(); };
  if (currency(rate) != currency(m_config.own_rate))
    for (auto& [key, account] : m_workers)
      account.began_otherwise = true;
  m_config.own_rate = std::move(rate);
  if (!m_config.own_rate) {
    log_info("no own rate is set any more");
    return Json(nullptr);
  }
  const OwnRate& own = *m_config.own_rate;
  log_info("own rate: {} {} per {}", own.rate.text(), own.currency, own.per);
  return Json{{"rate", own.rate.text()},
              {"per", own.per},
              {"currency", own.currency},
              {"idle_rate", own.idle_rate ? Json(own.idle_rate->text()) : Json()}};
}

void Service::ledger(LedgerPageQuery query, Callback<Json> done) {
  m_ledger_reader.call<Json>(
      [query = std::move(query)](ReaderDatabase& reader) { return ledger_page(reader.connection(), query); },
      std::move(done));
}

void Service::ledger_stats(LedgerStatsQuery query, Callback<Json> done) {
  m_ledger_reader.call<Json>(
      [query = std::move(query)](ReaderDatabase& reader) {
        return mrun::ledger_stats(reader.connection(), query);
      },
      std::move(done));
}

} // namespace mrun
