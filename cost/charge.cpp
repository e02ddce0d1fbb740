#include "cost/charge.h"

#include <array>
#include <limits>

#include <fmt/format.h>

namespace mrun {
namespace {

constexpr std::int64_t k_second_ns = 1'000'000'000;

// The billing state of each phase; `other` is nobody's time.
constexpr std::array<std::pair<Phase, const char*>, 9> k_state_of_phase = {{{Phase::queue, "queue"},
                                                                            {Phase::fetch, "pull"},
                                                                            {Phase::spawn, "setup"},
                                                                            {Phase::import, "setup"},
                                                                            {Phase::map, "setup"},
                                                                            {Phase::build, "setup"},
                                                                            {Phase::copy, "setup"},
                                                                            {Phase::warmup, "setup"},
                                                                            {Phase::predict, "active"}}};

// The state that decides whether the active time of this end is billed.
const char* state_of_end(PredictionStatus status) {
  switch (status) {
  case PredictionStatus::canceled:
    return "canceled";
  case PredictionStatus::aborted:
    return "aborted";
  case PredictionStatus::failed:
    return "failed";
  default:
    return "active";
  }
}

std::int64_t round_up(std::int64_t duration_ns, std::int64_t step_ns) {
  if (step_ns <= 0) return duration_ns;
  const std::int64_t steps = duration_ns / step_ns + (duration_ns % step_ns != 0 ? 1 : 0);
  return steps > std::numeric_limits<std::int64_t>::max() / step_ns ? duration_ns : steps * step_ns;
}

void set_amount(Charge& charge) {
  const std::int64_t unit_s = seconds_of_unit(charge.per).value_or(1);
  if (Result<Money> amount = charge.rate.times(charge.billed_ns, unit_s * k_second_ns))
    charge.amount = *amount;
  else
    charge.reason = amount.error().message;
}

// Nanoseconds billed by the row, or the state whose treatment the row does not tell.
std::optional<std::int64_t> billed_ns(const PriceRow& row, const Usage& usage, std::string& unknown) {
  if (usage.status == PredictionStatus::aborted && !row.bills("aborted", false)) return 0;
  std::int64_t sum_ns = 0;
  for (const auto& [phase, name] : k_state_of_phase) {
    const std::string state = phase == Phase::predict ? state_of_end(usage.status) : name;
    const std::int64_t part_ns = usage.phases[phase];
    if (part_ns <= 0) continue;
    const auto found = row.states.find(state);
    if (found == row.states.end()) {
      unknown = state;
      return std::nullopt;
    }
    sum_ns += found->second ? part_ns : 0;
  }
  return sum_ns;
}

} // namespace

std::string decimal_seconds(std::int64_t duration_ns) {
  return Money::from_pico(duration_ns * 1000).text();
}

Charge own_charge(const std::optional<OwnRate>& rate, const Usage& usage) {
  Charge charge;
  if (!rate) {
    charge.reason =
        "no rate is set: `mrun cost setup` asks what this machine costs and writes it into config.yaml";
    return charge;
  }
  charge.currency = rate->currency;
  charge.rate = rate->rate;
  charge.per = rate->per;
  // The machine is the user's own: every nanosecond of the model's time counts, however it ended.
  charge.billed_ns = usage.status == PredictionStatus::aborted ? 0 : usage.phases[Phase::predict];
  charge.formula = "rate x predict time";
  set_amount(charge);
  return charge;
}

Charge reference_charge(const PriceRow* row, const Usage& usage) {
  Charge charge;
  if (row == nullptr || !seconds_of_unit(row->per)) {
    charge.reason = "the price book has no such row billed by time";
    return charge;
  }
  charge.currency = "USD";
  charge.rate = row->rate;
  charge.per = row->per;
  charge.provider = row->provider;
  charge.sku = row->sku;
  charge.product = row->dim("product");
  charge.source = row->source;
  charge.read_on = row->read_on;
  charge.granularity_ns = row->granularity_ns.value_or(0);
  charge.formula = charge.granularity_ns > 0 ? fmt::format("rate x billed states, rounded up to {} s",
                                                           decimal_seconds(charge.granularity_ns))
                                             : "rate x billed states";
  std::string unknown;
  const std::optional<std::int64_t> billed = billed_ns(*row, usage, unknown);
  if (!billed) {
    charge.reason = fmt::format("the source does not say whether `{}` is billed", unknown);
    return charge;
  }
  charge.billed_ns = round_up(*billed, charge.granularity_ns);
  set_amount(charge);
  return charge;
}

Json own_charge_json(const Charge& charge) {
  if (!charge.amount) return nullptr;
  return {{"amount", charge.amount->text()},
          {"currency", charge.currency},
          {"rate", charge.rate.text()},
          {"per", charge.per},
          {"billed_s", decimal_seconds(charge.billed_ns)},
          {"formula", charge.formula}};
}

Json reference_charge_json(const Charge& charge) {
  if (charge.provider.empty()) return nullptr;
  Json json = {
      {"amount", nullptr},
      {"currency", charge.currency},
      {"provider", charge.provider},
      {"sku", charge.sku},
      {"product", charge.product},
      {"rate", charge.rate.text()},
      {"per", charge.per},
      {"granularity", charge.granularity_ns > 0 ? decimal_seconds(charge.granularity_ns) + " s" : "exact"},
      {"billed_s", nullptr},
      {"source", charge.source},
      {"read_on", charge.read_on},
      {"formula", charge.formula},
      {"note", "reference, not your bill"}};
  if (charge.amount) {
    json["amount"] = charge.amount->text();
    json["billed_s"] = decimal_seconds(charge.billed_ns);
  } else {
    json["reason"] = charge.reason;
  }
  return json;
}

} // namespace mrun
