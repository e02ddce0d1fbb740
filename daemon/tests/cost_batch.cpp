// cost_batch: what the cost code says of many cases, for a test that calculates them a second time.
//
// Reads one JSON object a line and answers each with one; the calls are those of the daemon and of `mrun
// cost`.
//   {"ledger": {"own": {…}|null, "row": "text of a book with one row"|null, "events": [[at_ns, what, member,
//     worker], …], "status": {member: word}}}
//   {"estimate": {"book": "text", "own": …, "work": {…}}}
//   {"feature": {"book": "text", "own": …, "yaml": "text"}}
#include <iostream>
#include <string>

#include <fmt/format.h>

#include "common/json.h"
#include "cost/feature_cost.h"
#include "cost/money_sum.h"
#include "cost/worker_charge.h"
#include "daemon/runner/machine_time.h"

using namespace mrun;

namespace {

std::string text_of(const Exact& value) {
  return exact_text(value, 12);
}

Exact number(const Json& value) {
  return parse_exact(value.get<std::string>(), ErrorCode::cost_unknown).value();
}

std::optional<OwnRate> own_of(const Json& json) {
  if (json.is_null()) return std::nullopt;
  OwnRate own;
  own.rate = Money::parse(json["rate"].get<std::string>(), ErrorCode::cost_unknown).value();
  own.per = json["per"].get<std::string>();
  own.currency = "USD";
  if (json.contains("idle_rate"))
    own.idle_rate = Money::parse(json["idle_rate"].get<std::string>(), ErrorCode::cost_unknown).value();
  return own;
}

Json charge_json(const Charge& charge) {
  if (!charge.amount) return nullptr;
  return {{"amount", charge.amount->text()}, {"billed_ns", charge.billed_ns}};
}

// One machine: workers that load, run and wait, with the bookkeeping of the runner.
class Machine {
 public:
  Machine(std::optional<OwnRate> own, std::optional<PriceRow> row, const Json& status)
      : m_own(std::move(own)),
        m_row(std::move(row)),
        m_status(status) {}

  void event(std::int64_t at_ns, const std::string& what, const std::string& member,
             const std::string& worker) {
    if (what == "load") {
      m_open[member] = {at_ns, m_time.begin_work(at_ns), 0};
    } else if (what == "loaded") {
      const Open load = m_open.extract(member).mapped();
      const std::int64_t duration_ns = at_ns - load.at_ns;
      line(member, own_worker_charge(m_own, WorkerTime::setup, m_time.end_work(load.machine, at_ns), true),
           reference_worker_charge(row(), WorkerTime::setup, duration_ns));
      wait(worker, at_ns);
    } else if (what == "begin") {
      end_wait(worker, at_ns);
      ++m_busy[worker];
      m_open[member] = {at_ns, m_time.begin_work(at_ns), m_workers[worker].join(at_ns)};
    } else if (what == "end") {
      end_run(member, worker, at_ns);
    } else {
      end_wait(worker, at_ns);
    }
  }

  Json json() const {
    return {{"lines", m_lines}, {"own_sum", m_own_sum.text()}, {"reference_sum", m_reference_sum.text()}};
  }

 private:
  struct Open {
    std::int64_t at_ns = 0;
    SharedTime machine = 0, worker = 0;
  };

  const PriceRow* row() const { return m_row ? &*m_row : nullptr; }

  void wait(const std::string& worker, std::int64_t at_ns) {
    m_waiting[worker] = {at_ns, m_time.begin_idle(at_ns), 0};
  }

  void end_wait(const std::string& worker, std::int64_t at_ns) {
    const auto found = m_waiting.find(worker);
    if (found == m_waiting.end()) return;
    const std::int64_t share_ns = m_time.end_idle(found->second.machine, at_ns);
    line(fmt::format("{} waits {}", worker, found->second.at_ns),
         own_worker_charge(m_own, WorkerTime::idle, share_ns, true),
         reference_worker_charge(row(), WorkerTime::idle, at_ns - found->second.at_ns));
    m_waiting.erase(found);
  }

  void end_run(const std::string& member, const std::string& worker, std::int64_t at_ns) {
    const Open run = m_open.extract(member).mapped();
    const std::int64_t duration_ns = at_ns - run.at_ns;
    Usage usage;
    usage.started = true;
    for (const PredictionStatus status : {PredictionStatus::succeeded, PredictionStatus::failed,
                                          PredictionStatus::canceled, PredictionStatus::aborted})
      if (status_name(status) == m_status[member].get<std::string>()) usage.status = status;
    usage.phases[Phase::predict] =
        scaled_share(duration_ns, m_time.end_work(run.machine, at_ns), duration_ns);
    const Charge own = own_charge(m_own, usage);
    usage.phases[Phase::predict] =
        scaled_share(duration_ns, m_workers[worker].leave(run.worker, at_ns), duration_ns);
    line(member, own, reference_charge(row(), usage));
    if (--m_busy[worker] == 0) wait(worker, at_ns);
  }

  void line(const std::string& name, const Charge& own, const Charge& reference) {
    m_lines[name] = {{"own", charge_json(own)}, {"reference", charge_json(reference)}};
    if (own.amount) m_own_sum.add(*own.amount);
    if (reference.amount) m_reference_sum.add(*reference.amount);
  }

  std::optional<OwnRate> m_own;
  std::optional<PriceRow> m_row;
  Json m_status, m_lines = Json::object();
  MachineTime m_time;
  std::map<std::string, SharedClock> m_workers;
  std::map<std::string, Open> m_open, m_waiting;
  std::map<std::string, int> m_busy;
  MoneySum m_own_sum, m_reference_sum;
};

Json ledger(const Json& given) {
  std::optional<PriceRow> row;
  if (!given["row"].is_null())
    row = row_for_lines(PriceBook::parse(given["row"].get<std::string>()).value().rows.at(0));
  Machine machine(own_of(given["own"]), std::move(row), given["status"]);
  for (const Json& event : given["events"])
    machine.event(event[0].get<std::int64_t>(), event[1].get<std::string>(), event[2].get<std::string>(),
                  event[3].get<std::string>());
  return machine.json();
}

Expected expected_of(const Json& pair) {
  return {number(pair[0]), number(pair[1])};
}

Work work_of(const Json& json) {
  Work work;
  for (const Json& one : json["cases"]) {
    CaseWork made;
    for (const auto& [name, value] : one.items()) {
      if (name == "seconds")
        made.seconds = expected_of(value);
      else
        set_unit(made.units, name, expected_of(value));
    }
    work.cases.push_back(std::move(made));
  }
  if (json.contains("setup")) work.setup_s = expected_of(json["setup"]);
  if (json.contains("warm")) work.keep_warm_s = number(json["warm"]);
  if (json.contains("per_hour")) work.per_hour = expected_of(json["per_hour"]);
  if (json.contains("instances")) work.instances = number(json["instances"]);
  return work;
}

Json amount_of(const Amount& amount) {
  const auto value = [](const std::optional<Exact>& exact) { return exact ? Json(text_of(*exact)) : Json(); };
  return {value(amount.typical), value(amount.worst)};
}

Json pair_of(const Expected& value) {
  return {text_of(value.typical), text_of(value.worst)};
}

Json estimate(const Json& given) {
  const PriceBook book = PriceBook::parse(given["book"].get<std::string>()).value();
  const Work work = work_of(given["work"]);
  const std::optional<OwnRate> own = own_of(given["own"]);
  std::vector<const PriceRow*> rows;
  for (const PriceRow& row : book.rows)
    rows.push_back(&row);
  Json offers = Json::object(), units = Json::object();
  for (const Offer& offer : offers_of(rows))
    offers[offer.first().sku] = amount_of(offer_amount(offer, work));
  const Amount here = own_amount(own, work);
  for (const auto& [unit, cost] : own_unit_costs(here, work))
    units[unit] = pair_of(cost);
  return {{"offers", offers},
          {"own", amount_of(here)},
          {"own_deployment", amount_of(own_deployment_amount(own, work))},
          {"own_units", units},
          {"refused", book.refused.size()}};
}

Json feature(const Json& given) {
  const PriceBook book = PriceBook::parse(given["book"].get<std::string>()).value();
  const Feature read = parse_feature(given["yaml"].get<std::string>(), "f.yaml").value();
  const Result<FeatureCost> cost = feature_cost(read, book, own_of(given["own"]), "f.yaml");
  if (!cost) return {{"error", cost.error().message}};
  return {{"per_action", pair_of(cost->per_action)},
          {"per_month", cost->per_month ? pair_of(*cost->per_month) : Json()}};
}

} // namespace

int main() {
  for (std::string line; std::getline(std::cin, line);) {
    const Json given = Json::parse(line);
    const Json answer = given.contains("ledger")     ? ledger(given["ledger"])
                        : given.contains("estimate") ? estimate(given["estimate"])
                                                     : feature(given["feature"]);
    std::cout << answer.dump() << '\n';
  }
}
