// What things cost: each formula is one function, exact, and tested with worked examples
// (docs/formats/cost.md, "Formulas"). No rounding but the one that a provider does; amounts become Money at
// the very end.
#pragma once

#include <optional>

#include "cost/quantities.h"

namespace mrun {

// Per second of runtime: C = ceil_g(t) · r. `granularity` 0: exact.
Exact runtime_cost(const PricePerSecond& rate, const Seconds& active, const Seconds& granularity);

// A deployment's states that are billed.
struct BilledStates {
  bool setup = true, active = true, idle = true;
};

// Money by what it is for, so that idle and setup stand as lines of their own.
struct DeploymentCost {
  Exact active, setup, idle;
  Exact sum() const { return active + setup + idle; }
};

// One request alone on a deployment that scales to zero: it is loaded (S), runs (t) and stays warm (K) for
// nobody. The worker's life is rounded up as one: the rounding is counted as idle, or as active where idle is
// free.
DeploymentCost lone_request_cost(const PricePerSecond& rate, const BilledStates& states,
                                 const Seconds& active, const Seconds& setup, const Seconds& keep_warm,
                                 const Seconds& granularity);

// Poisson arrivals of `per_second` λ at a deployment that scales to zero after K idle seconds, per request:
// P(cold) = e^(−λK); setup P·S; idle P·K + (1−P)·E[gap | gap < K], which is (1−P)/λ. λ > 0.
// e^x is a double's, rounded to 10^-12; the rest is exact.
DeploymentCost poisson_request_cost(const PricePerSecond& rate, const BilledStates& states,
                                    const Seconds& active, const Seconds& setup, const Seconds& keep_warm,
                                    const Exact& per_second);

// `instances` that are always on, per request: the whole time is billed, what is not busy is idle. Busy hours
// and billed hours are apart: idle is what is left. nullopt: the instances can't serve that many at
// `max_utilisation`.
std::optional<DeploymentCost> always_on_cost(const PricePerSecond& rate, const Exact& instances,
                                             const Seconds& active, const Exact& per_second,
                                             const Exact& max_utilisation);
// N = ceil(peak · t / max_utilisation).
Exact instances_needed(const Exact& peak_per_second, const Seconds& active, const Exact& max_utilisation);

// One user action: (first + share · other) · (1 + retries). `share`: how often the fallback is called after
// the first model; `other`: what it costs.
Exact action_cost(const Exact& first, const Exact& retries, const Exact& share, const Exact& other);

// A conversation of `turns`: each turn sends all that was said. Tokens per conversation.
struct Conversation {
  std::int64_t turns = 1;
  Exact system, user, reply;   // tokens: once, per turn, per turn
  std::optional<Exact> window; // the context at most; older text is dropped
  bool cached = false;         // what the turn before sent is read from the cache; its reply is not
};
struct ConversationTokens {
  InputTokens fresh;
  CachedTokens cached;
  OutputTokens output;
};
ConversationTokens conversation_tokens(const Conversation& conversation);

// What a machine's tokens cost when it cost `amount` to read and make so many: one that is made costs as much
// as `ratio` that are read (GKE's inference recommender: 4). in · read + out · made = amount. Not both 0;
// ratio > 0.
struct TokenCost {
  Exact read, made; // of one token
};
TokenCost token_cost(const Exact& amount, const InputTokens& in, const OutputTokens& out, const Exact& ratio);

// A machine of one's own. price, resale: money; life in hours; power in kW; money per kWh.
struct OwnedMachine {
  Exact price, resale, life_h;
  Exact idle_kw, active_kw, per_kwh;
};
// (price − resale) / life: what an hour wears, used or not.
Exact wear_per_hour(const OwnedMachine& machine);
// An hour at work, and an hour of waiting: wear + power.
Exact active_hour_cost(const OwnedMachine& machine);
Exact idle_hour_cost(const OwnedMachine& machine);
// All hours paid by the busy ones: (wear + idle power) / utilisation + (active − idle) power. 0 < utilisation
// ≤ 1.
Exact busy_hour_cost(const OwnedMachine& machine, const Exact& utilisation);

// From which share of busy time on a machine that is billed whole is cheaper: u* = dedicated / serverless.
Exact break_even_utilisation(const Exact& dedicated_per_hour, const Exact& serverless_per_hour);
// How many units an hour it must make to be cheaper than a price per unit.
Exact break_even_units_per_hour(const Exact& dedicated_per_hour, const Exact& price_per_unit);

} // namespace mrun
