// What a finished prediction cost: by the user's own rate, and what a public row would charge for reference.
// Pure functions over values; the rates are frozen into the ledger when the prediction ends.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "common/json.h"
#include "common/phases.h"
#include "cost/money.h"
#include "cost/price_book.h"
#include "daemon/api/prediction.h"

namespace mrun {

// The user's own rate (config.yaml `cost:`).
struct OwnRate {
  Money rate;
  std::string per; // instance_s or instance_h
  std::string currency;
  std::optional<Money> idle_rate;           // of a loaded worker that waits; by the same `per`
  std::map<std::string, std::string> basis; // how the rate came about, as `mrun cost setup` wrote it
};

// What a bill is made of.
struct Usage {
  PredictionStatus status = PredictionStatus::failed; // terminal
  Phases phases;
  bool started = false; // it reached the model
};

// One side of a ledger row. `amount` is unknown (nullopt) with the reason, never 0 for lack of knowledge.
struct Charge {
  std::optional<Money> amount;
  std::string reason; // of an unknown amount
  std::string currency;
  Money rate;
  std::string per;
  std::int64_t granularity_ns = 0; // 0: to the nanosecond
  std::int64_t billed_ns = 0;
  std::string provider, sku, product, source, read_on; // of a public row
  std::string formula;
};

// Without a rate: amount unknown, reason "no rate is set: …".
Charge own_charge(const std::optional<OwnRate>& rate, const Usage& usage);
// By the row's table of states: phases map to states (queue; fetch → pull; spawn … warmup → setup; predict →
// active), and the end decides whether `active` counts (failed, canceled, aborted are states of their own).
// The sum is rounded up to the row's granularity (notes: ceil_g(t)·r). row == nullptr: unknown.
Charge reference_charge(const PriceRow* row, const Usage& usage);

// {amount, currency, rate, per, billed_s, formula} or null.
Json own_charge_json(const Charge& charge);
// {amount|null, currency, provider, sku, rate, per, granularity, billed_s, source, read_on, formula, note,
// reason?}; null when there is no row.
Json reference_charge_json(const Charge& charge);

// Nanoseconds as an exact decimal of seconds: "0.0235".
std::string decimal_seconds(std::int64_t duration_ns);

} // namespace mrun
