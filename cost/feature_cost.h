// What one user action costs, typically and at the heaviest use that is realistic, and what moves it.
#pragma once

#include "cost/feature.h"

namespace mrun {

struct CallCost {
  std::string name;
  std::string price_name;
  std::vector<const PriceRow*> rows; // of the book
  Expected amount;                   // per action, with retries and the fallback
  Expected first, retries, fallback; // the parts; retries are those of both
  Expected by_use;                   // what of it grows with the actions
  Exact always_on_month;             // and what instances that are always on cost in 30 days
  std::optional<Breakdown> typical_parts, worst_parts; // of one request to a deployment
  std::string formula;
};

struct Sensitivity {
  std::string what; // "generate: image", "spike factor"
  // When this alone is half as much again: of the worst action and month, 0.25 = +25 %.
  Exact change;
  std::optional<Exact> month_change;
  // The factors of this alone at which the budgets break; absent: no budget, or never up to 100.
  std::optional<Exact> flip_at, month_flip_at;
};

struct FeatureCost {
  std::vector<CallCost> calls;
  Expected per_action;
  std::optional<Expected> per_month;    // 30 days; the worst with the spike
  std::vector<Sensitivity> sensitivity; // the strongest first
  std::string oldest_read_on;           // of the prices used; "" without
};

// Errors: price_unknown (nearest in the hint; several rows fit), cost_unknown (what is missing), instances
// that can't serve the actions of a month or its spike), each with the place in the file.
Result<FeatureCost> feature_cost(const Feature& feature, const PriceBook& book,
                                 const std::optional<OwnRate>& own, std::string_view file_name);

} // namespace mrun
