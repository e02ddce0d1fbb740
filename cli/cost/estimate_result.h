// An estimate, as data and as shown.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/cost/workload.h"
#include "cost/break_even.h"
#include "cost/projection.h"

namespace mrun::cli {

// A time on a device that was not measured, and what its rows would charge for it.
struct ProjectedLine {
  Projection projection;         // of one second here
  Expected seconds{0, 0};        // least and most, of all cases
  const PriceRow* row = nullptr; // nullptr: `no_price` says why
  Expected cost{0, 0};           // least and most
  std::string formula, no_price;
};

struct Estimate {
  std::string id, model, version;
  std::size_t case_count = 1;
  std::string source; // of the measurements
  Workload workload;
  std::optional<Expected> seconds;
  Amount own, own_deployment;
  std::map<std::string, Expected> own_units; // one unit on this machine
  std::string currency;                      // of both
  std::vector<PricedOffer> offers;
  std::optional<BreakEven> even;
  std::vector<ProjectedLine> projected;
  std::string no_projection; // why there is none
};

Json estimate_json(const Estimate& estimate);
std::string estimate_text(const Estimate& estimate);

// {"typical": "0.0012", "worst": null, "reason": …}
Json amount_json(const Amount& amount);
// "0.0012", "unknown".
std::string money_text(const std::optional<Exact>& value);
// For people: four digits that count.
std::string short_money(const std::optional<Exact>& value);
// RFC: units and seconds as decimals.
Json expected_json(const Expected& value, int places);

} // namespace mrun::cli
