#include "cost/formulas.h"

#include <algorithm>
#include <cmath>

namespace mrun {
namespace {

using Whole = boost::multiprecision::cpp_int;

// e^(−x) for x ≥ 0, rounded to 10^-12.
Exact exp_minus(const Exact& x) {
  const double value = std::exp(-static_cast<double>(x));
  return Exact(static_cast<std::int64_t>(std::llround(value * 1e12)), 1'000'000'000'000);
}

Exact if_billed(bool billed, const Exact& amount) {
  return billed ? amount : Exact(0);
}

Exact rounded(const Seconds& time, const Seconds& granularity) {
  return granularity.value > 0 ? round_up_to(time.value, granularity.value) : time.value;
}

// How many turns, from the first, fit into the window whole.
Exact turns_within(const Conversation& conversation, const Exact& first, const Exact& said) {
  const Exact turns = conversation.turns;
  if (!conversation.window || first + (turns - 1) * said <= *conversation.window) return turns;
  if (first > *conversation.window) return 0;
  const Exact fitting = (*conversation.window - first) / said;
  return Exact(
             Whole(boost::multiprecision::numerator(fitting) / boost::multiprecision::denominator(fitting))) +
         1;
}

} // namespace

Exact runtime_cost(const PricePerSecond& rate, const Seconds& active, const Seconds& granularity) {
  return rate * Seconds{rounded(active, granularity)};
}

DeploymentCost lone_request_cost(const PricePerSecond& rate, const BilledStates& states,
                                 const Seconds& active, const Seconds& setup, const Seconds& keep_warm,
                                 const Seconds& granularity) {
  const Exact setup_s = if_billed(states.setup, setup.value);
  const Exact active_s = if_billed(states.active, active.value);
  const Exact idle_s = if_billed(states.idle, keep_warm.value);
  const Exact life_s = setup_s + active_s + idle_s;
  const Exact rest_s = rounded(Seconds{life_s}, granularity) - life_s;
  DeploymentCost cost{rate * Seconds{active_s}, rate * Seconds{setup_s}, rate * Seconds{idle_s}};
  (states.idle ? cost.idle : cost.active) += rate * Seconds{rest_s};
  return cost;
}

DeploymentCost poisson_request_cost(const PricePerSecond& rate, const BilledStates& states,
                                    const Seconds& active, const Seconds& setup, const Seconds& keep_warm,
                                    const Exact& per_second) {
  MRUN_CHECK(per_second > 0);
  const Exact cold = exp_minus(per_second * keep_warm.value);
  return {if_billed(states.active, rate * active),
          if_billed(states.setup, rate * Seconds{cold * setup.value}),
          if_billed(states.idle, rate * Seconds{(1 - cold) / per_second})};
}

std::optional<DeploymentCost> always_on_cost(const PricePerSecond& rate, const Exact& instances,
                                             const Seconds& active, const Exact& per_second,
                                             const Exact& max_utilisation) {
  MRUN_CHECK(per_second > 0 && instances > 0);
  if (per_second * active.value > instances * max_utilisation) return std::nullopt;
  const Exact billed_s = instances / per_second;
  return DeploymentCost{rate * active, 0, rate * Seconds{billed_s - active.value}};
}

Exact instances_needed(const Exact& peak_per_second, const Seconds& active, const Exact& max_utilisation) {
  return round_up_to(peak_per_second * active.value / max_utilisation, 1);
}

Exact action_cost(const Exact& first, const Exact& retries, const Exact& share, const Exact& other) {
  return (first + share * other) * (1 + retries);
}

ConversationTokens conversation_tokens(const Conversation& conversation) {
  if (conversation.turns <= 0) return {{0}, {0}, {0}};
  // Turn k, from 0, sends system + k said texts + the new one; sums are those of arithmetic series.
  const Exact said = conversation.user + conversation.reply;
  const Exact first = conversation.system + conversation.user;
  const Exact turns = conversation.turns;
  const Exact within = turns_within(conversation, first, said);
  const Exact full = turns - within;
  const Exact window = conversation.window.value_or(Exact(0));
  const Exact growth = said * within * (within - 1) / 2;
  const Exact sent = within * first + growth + full * window;
  Exact cached = 0;
  if (conversation.cached) {
    // A turn finds what the one before it sent; that one's reply was made, not sent, and is read anew. The
    // first turn finds nothing. A cache holds beginnings: once old text is dropped, the system prompt is what
    // is left of it.
    if (within > 1) cached += (within - 1) * first + said * (within - 1) * (within - 2) / 2;
    cached += (within > 0 ? full : full - 1) * std::min(conversation.system, window);
  }
  return {{sent - cached}, {cached}, {turns * conversation.reply}};
}

TokenCost token_cost(const Exact& amount, const InputTokens& in, const OutputTokens& out,
                     const Exact& ratio) {
  const Exact made_alike = in.value / ratio + out.value;
  MRUN_CHECK(made_alike > 0);
  const Exact made = amount / made_alike;
  return {made / ratio, made};
}

Exact wear_per_hour(const OwnedMachine& machine) {
  return (machine.price - machine.resale) / machine.life_h;
}

Exact active_hour_cost(const OwnedMachine& machine) {
  return wear_per_hour(machine) + machine.active_kw * machine.per_kwh;
}

Exact idle_hour_cost(const OwnedMachine& machine) {
  return wear_per_hour(machine) + machine.idle_kw * machine.per_kwh;
}

Exact busy_hour_cost(const OwnedMachine& machine, const Exact& utilisation) {
  MRUN_CHECK(utilisation > 0 && utilisation <= 1);
  return idle_hour_cost(machine) / utilisation + (machine.active_kw - machine.idle_kw) * machine.per_kwh;
}

Exact break_even_utilisation(const Exact& dedicated_per_hour, const Exact& serverless_per_hour) {
  MRUN_CHECK(serverless_per_hour > 0);
  return dedicated_per_hour / serverless_per_hour;
}

Exact break_even_units_per_hour(const Exact& dedicated_per_hour, const Exact& price_per_unit) {
  MRUN_CHECK(price_per_unit > 0);
  return dedicated_per_hour / price_per_unit;
}

} // namespace mrun
