#include "cost/break_even.h"

#include "cost/price_rules.h"

namespace mrun {
namespace {

std::optional<Exact> mean_seconds(const Work& work) {
  Exact sum = 0;
  for (const CaseWork& one : work.cases) {
    if (!one.seconds) return std::nullopt;
    sum += one.seconds->typical;
  }
  return sum / Exact(work.cases.size());
}

} // namespace

std::optional<BreakEven> break_even(const std::vector<PricedOffer>& offers, const Work& work) {
  BreakEven found;
  PricingStyle use_style = PricingStyle::runtime;
  for (const auto& [offer, amount, same_time] : offers) {
    if (!same_time) continue;
    if (offer.style == PricingStyle::deployment) {
      const Exact hour = offer_hour(offer);
      if (found.always_on != nullptr && found.hour <= hour) continue;
      found.always_on = &offer.first();
      found.hour = hour;
    } else if (amount.typical && *amount.typical > 0) {
      const Exact each = *amount.typical / Exact(work.cases.size());
      if (found.by_use != nullptr && found.prediction <= each) continue;
      found.by_use = &offer.first();
      found.prediction = each;
      use_style = offer.style;
    }
  }
  if (found.always_on == nullptr || found.by_use == nullptr) return std::nullopt;
  found.per_hour = break_even_units_per_hour(found.hour, found.prediction);
  if (const std::optional<Exact> seconds = mean_seconds(work); seconds && *seconds > 0)
    found.instances = instances_needed(found.per_hour / 3600, {*seconds}, work.max_utilisation);
  if (use_style == PricingStyle::runtime)
    found.utilisation = break_even_utilisation(found.hour, offer_hour({use_style, {found.by_use}}));
  return found;
}

} // namespace mrun
