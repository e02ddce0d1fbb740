// From how many predictions on a machine that is always on is cheaper than paying for each.
#pragma once

#include <optional>
#include <vector>

#include "cost/estimate.h"

namespace mrun {

struct PricedOffer {
  Offer offer;
  Amount amount;         // of all cases of the work
  bool same_time = true; // false: of a machine of another size, on which the time was not measured
};

struct BreakEven {
  const PriceRow* always_on = nullptr; // the cheapest hour among those that bill a machine that waits
  const PriceRow* by_use = nullptr;    // the cheapest among those that bill what is used only
  Exact hour, prediction;              // what they cost: an hour, one prediction
  Exact per_hour;                      // predictions at which both cost the same
  std::optional<Exact> instances; // that so many take; more than 1: one can't serve them, and it does not pay
  std::optional<Exact> utilisation; // the busy share of an hour, where use is billed by the second
};

// nullopt: there are not both, or a prediction's price is not known.
std::optional<BreakEven> break_even(const std::vector<PricedOffer>& offers, const Work& work);

} // namespace mrun
