#include "cost/worker_charge.h"

#include <fmt/format.h>

namespace mrun {

Charge own_worker_charge(const std::optional<OwnRate>& rate, WorkerTime what, std::int64_t machine_ns,
                         bool alone) {
  // The arithmetic and the words for a missing rate are those of a prediction's active time.
  Usage usage;
  usage.status = PredictionStatus::succeeded;
  usage.phases[Phase::predict] = machine_ns;
  if (!rate || what == WorkerTime::setup) {
    Charge charge = own_charge(rate, usage);
    if (rate) charge.formula = alone ? "rate x setup time" : k_shared_formula;
    return charge;
  }
  if (!rate->idle_rate) {
    Charge unknown;
    unknown.reason = "no idle rate is set: `mrun cost setup` writes one into config.yaml";
    return unknown;
  }
  OwnRate idle = *rate;
  idle.rate = *rate->idle_rate;
  Charge charge = own_charge(idle, usage);
  charge.formula = alone ? "idle rate x idle time" : "idle rate x share of the machine's idle time";
  return charge;
}

Charge reference_worker_charge(const PriceRow* row, WorkerTime what, std::int64_t duration_ns) {
  // As the phase that maps to the state; idle has none, so its state stands in for setup's.
  Usage usage;
  usage.status = PredictionStatus::succeeded;
  usage.phases[Phase::build] = duration_ns;
  if (row == nullptr || what == WorkerTime::setup) return reference_charge(row, usage);
  PriceRow idle = *row;
  const auto billed = row->states.find("idle");
  if (billed == row->states.end()) {
    Charge unknown = reference_charge(row, Usage{.status = PredictionStatus::succeeded, .phases = {}});
    unknown.amount.reset();
    unknown.reason = "the source does not say whether `idle` is billed";
    return unknown;
  }
  idle.states["setup"] = billed->second;
  return reference_charge(&idle, usage);
}

PriceRow row_for_lines(PriceRow row) {
  if (row.bills("idle", false)) row.granularity_ns.reset();
  return row;
}

} // namespace mrun
