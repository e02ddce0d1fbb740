// What an estimate would be on devices that were not measured.
#pragma once

#include "cli/arguments.h"
#include "cli/context.h"
#include "cli/cost/estimate_result.h"
#include "cost/device_price.h"

namespace mrun::cli {

// What a projection starts from.
struct ProjectionBase {
  const PriceBook& book;
  const std::optional<OwnRate>& own;
  const std::vector<Device>& devices;
  const PriceRules& rules;
  const Device* on = nullptr;       // --on: the device that was measured
  std::optional<std::string> dtype; // of the weights
  double bytes = 0;                 // in memory; 0: not known
};

// Adds a line for each device of --to, or says why there is none. A price is what the cheapest row of that
// one device would charge by its own billed states and rounding: of those whose amount can be known with what
// was given. Errors: price_unknown, cost_unknown for a device that does not have the format.
Result<void> add_projections(const Arguments& arguments, const ProjectionBase& base, Estimate& estimate);

} // namespace mrun::cli
