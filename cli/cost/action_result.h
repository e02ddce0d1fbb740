// A feature's cost, as data and as shown.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "cli/arguments.h"
#include "cli/context.h"
#include "cost/feature_cost.h"

namespace mrun::cli {

struct ActionResult {
  std::shared_ptr<const Feature> feature; // shared by copies of this: `cost` points into both
  std::shared_ptr<const PriceBook> book;
  FeatureCost cost;
  std::string currency;
};

// Reads and prices a feature file. Errors: cost_feature, price_unknown, cost_unknown.
Result<ActionResult> price_feature(const Context& context, const std::string& path);
Json action_json(const ActionResult& result);
std::string action_text(const ActionResult& result);

// Where a budget decides, by prices that are not too old. Errors: prices_stale, cost_budget.
Result<void> pass_budgets(const ActionResult& result, const Arguments& arguments);
// Error prices_stale, where `budget` decides.
Result<void> pass_age(const std::string& oldest_read_on, const Arguments& arguments);
// An amount of money given by a flag. Error flag_value.
Result<std::optional<Exact>> amount_flag(const Arguments& arguments, std::string_view flag);
// A percentage, as "5%" or "5": 5. Error flag_value.
Result<std::optional<Exact>> percent_flag(const Arguments& arguments, std::string_view flag);

} // namespace mrun::cli
