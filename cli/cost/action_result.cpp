#include "cli/cost/action_result.h"

#include <fmt/format.h>

#include "cli/cost/books.h"
#include "cli/cost/estimate_result.h"
#include "cli/cost/own_machine.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_shown_knobs = 6;

Json sources_json(const CallCost& call) {
  Json sources = Json::array();
  for (const PriceRow* row : call.rows)
    sources.push_back({{"price", price_name(*row)},
                       {"usd", row->rate.text()},
                       {"read_on", row->read_on},
                       {"age_days", age_json(row->read_on)},
                       {"source", row->source}});
  return sources;
}

Json call_json(const CallCost& call) {
  Json json = {
      {"name", call.name},
      {"price", call.price_name},
      {"amount", expected_json(call.amount, 12)},
      {"first", expected_json(call.first, 12)},
      {"retries", expected_json(call.retries, 12)},
      {"fallback", expected_json(call.fallback, 12)},
      {"always_on_month", call.always_on_month > 0 ? Json(money_text(call.always_on_month)) : Json()},
      {"formula", call.formula},
      {"sources", sources_json(call)}};
  const auto parts = [](const Breakdown& part) {
    return Json{{"active", money_text(part.active)},
                {"setup", money_text(part.setup)},
                {"idle", money_text(part.idle)}};
  };
  if (call.typical_parts) json["typical_parts"] = parts(*call.typical_parts);
  if (call.worst_parts) json["worst_parts"] = parts(*call.worst_parts);
  return json;
}

std::string parts_text(const CallCost& call) {
  if (!call.typical_parts || !call.worst_parts) return "";
  const auto words = [](const Breakdown& part) {
    const Exact sum = part.active + part.setup + part.idle;
    const auto percent = [&](const Exact& share) {
      return sum == 0 ? "0" : exact_text(share / sum * 100, 0);
    };
    return fmt::format("active {} %, setup {} %, idle {} %", percent(part.active), percent(part.setup),
                       percent(part.idle));
  };
  return fmt::format("{}: {}; worst: {}\n", printable(call.name, 60), words(*call.typical_parts),
                     words(*call.worst_parts));
}

// Where it moves a month otherwise than an action.
std::string month_words(const Sensitivity& knob) {
  if (!knob.month_change || *knob.month_change == knob.change) return "";
  return fmt::format(", a month {:+.1f} %", static_cast<double>(*knob.month_change * 100));
}

std::string knobs_text(const FeatureCost& cost) {
  if (cost.sensitivity.empty()) return "";
  std::string text = "\nwhat moves the worst case, each half as much again:\n";
  for (std::size_t i = 0; i < std::min(k_shown_knobs, cost.sensitivity.size()); ++i) {
    const Sensitivity& knob = cost.sensitivity[i];
    text += fmt::format("  {:+.1f} %{}  {}", static_cast<double>(knob.change * 100), month_words(knob),
                        printable(knob.what, 80));
    if (knob.flip_at) text += fmt::format("; over the budget from {} times on", exact_text(*knob.flip_at, 2));
    if (knob.month_flip_at)
      text += fmt::format("; over the month's budget from {} times on", exact_text(*knob.month_flip_at, 2));
    text += "\n";
  }
  return text;
}

std::string sources_text(const FeatureCost& cost) {
  std::string text;
  for (const CallCost& call : cost.calls)
    for (const PriceRow* row : call.rows)
      text +=
          fmt::format("  {} USD per {}: {}, read on {} ({}), {}\n", row->rate.text(), row->per,
                      price_name(*row), row->read_on, age_words(row->read_on), printable(row->source, 120));
  return text.empty() ? "" : "\nprices:\n" + text;
}

bool uses_own(const FeatureCall& call) {
  return call.price.kind == PriceChoice::Kind::own ||
         std::any_of(call.fallback.begin(), call.fallback.end(), uses_own);
}

// A price of the file that was read on a day to come would never be stale.
Result<void> check_date(const FeatureCall& call, const std::string& path) {
  if (call.price.kind == PriceChoice::Kind::here && !age_days(call.price.here.read_on))
    return fail_at(printable(path), call.price.place, ErrorCode::cost_feature,
                   fmt::format("`read_on` is {}, today is {}", call.price.here.read_on, today()));
  for (const FeatureCall& fallback : call.fallback)
    MRUN_TRY(check_date(fallback, path));
  return {};
}

// Providers' rows are in USD; amounts of two currencies are never summed.
Result<void> check_currency(const Feature& feature, const std::optional<OwnRate>& own,
                            const std::string& path) {
  if (!own || own->currency == "USD" || std::none_of(feature.calls.begin(), feature.calls.end(), uses_own))
    return {};
  return fail(
      ErrorCode::cost_unknown,
      fmt::format("{}: your machine's rate is in {}, prices are in USD", printable(path), own->currency),
      "set it up in USD: `mrun cost setup --currency USD`");
}

Result<std::optional<Exact>> number_flag(const std::optional<std::string>& text, std::string_view flag) {
  if (!text) return std::optional<Exact>();
  Result<Exact> value = parse_exact(*text, ErrorCode::flag_value);
  if (!value)
    return fail(ErrorCode::flag_value, fmt::format("`--{}`: {}", flag, value.error().message),
                value.error().hint);
  return std::optional(*value);
}

} // namespace

Result<ActionResult> price_feature(const Context& context, const std::string& path) {
  ActionResult result;
  MRUN_ASSIGN(Feature feature, load_feature(path));
  for (const FeatureCall& call : feature.calls)
    MRUN_TRY(check_date(call, path));
  result.feature = std::make_shared<const Feature>(std::move(feature));
  MRUN_ASSIGN(PriceBook book, load_books(context));
  result.book = std::make_shared<const PriceBook>(std::move(book));
  MRUN_ASSIGN(const std::optional<OwnRate> own, load_own_rate(context));
  result.currency = "USD";
  MRUN_TRY(check_currency(*result.feature, own, path));
  MRUN_ASSIGN(result.cost, feature_cost(*result.feature, *result.book, own, printable(path)));
  return result;
}

Json action_json(const ActionResult& result) {
  Json calls = Json::array(), knobs = Json::array();
  for (const CallCost& call : result.cost.calls)
    calls.push_back(call_json(call));
  for (const Sensitivity& knob : result.cost.sensitivity)
    knobs.push_back(
        {{"what", knob.what},
         {"factor", "1.5"},
         {"change_percent", exact_text(knob.change * 100, 4)},
         {"month_change_percent", knob.month_change ? Json(exact_text(*knob.month_change * 100, 4)) : Json()},
         {"over_budget_from_factor", knob.flip_at ? Json(exact_text(*knob.flip_at, 2)) : Json()},
         {"over_month_budget_from_factor",
          knob.month_flip_at ? Json(exact_text(*knob.month_flip_at, 2)) : Json()}});
  return {{"schema", "mrun.cost_action/v1"},
          {"feature", result.feature->name},
          {"currency", result.currency},
          {"per_action", expected_json(result.cost.per_action, 12)},
          {"per_month", result.cost.per_month ? expected_json(*result.cost.per_month, 12) : Json()},
          {"calls", calls},
          {"sensitivity", knobs},
          {"oldest_read_on", result.cost.oldest_read_on.empty() ? Json() : Json(result.cost.oldest_read_on)}};
}

std::string action_text(const ActionResult& result) {
  Table table{.header = {"CALL", "PRICE", "TYPICAL", "WORST", "OF IT RETRIES", "FALLBACK"},
              .rows = {},
              .right_aligned = {2, 3, 4, 5}};
  for (const CallCost& call : result.cost.calls)
    table.rows.push_back({printable(call.name, 60), printable(call.price_name, 80),
                          short_money(call.amount.typical), short_money(call.amount.worst),
                          short_money(call.retries.worst), short_money(call.fallback.worst)});
  table.rows.push_back({"one action", "", short_money(result.cost.per_action.typical),
                        short_money(result.cost.per_action.worst), "", ""});
  if (result.cost.per_month)
    table.rows.push_back({"a month", "", short_money(result.cost.per_month->typical),
                          short_money(result.cost.per_month->worst), "", ""});
  std::string text = fmt::format("{}, in {}\n\n", printable(result.feature->name, 100), result.currency);
  text += render_table(table);
  for (const CallCost& call : result.cost.calls)
    text += parts_text(call);
  return text + knobs_text(result.cost) + sources_text(result.cost);
}

Result<std::optional<Exact>> amount_flag(const Arguments& arguments, std::string_view flag) {
  return number_flag(arguments.value(flag), flag);
}

Result<std::optional<Exact>> percent_flag(const Arguments& arguments, std::string_view flag) {
  auto text = arguments.value(flag);
  if (text && text->ends_with('%')) text->pop_back();
  return number_flag(text, flag);
}

Result<void> pass_age(const std::string& oldest_read_on, const Arguments& arguments) {
  MRUN_ASSIGN(const std::int64_t days, parse_days("max-age", arguments.value("max-age").value_or("180d")));
  if (oldest_read_on.empty() || !is_older(oldest_read_on, days)) return {};
  return fail(ErrorCode::prices_stale,
              fmt::format("a price was read on {}, {}; more than {} days decide no budget",
                          printable(oldest_read_on, 40), age_words(oldest_read_on), days));
}

Result<void> pass_budgets(const ActionResult& result, const Arguments& arguments) {
  MRUN_ASSIGN(std::optional<Exact> budget, amount_flag(arguments, "budget"));
  if (!budget) budget = result.feature->budget_action;
  if (budget || result.feature->budget_month) MRUN_TRY(pass_age(result.cost.oldest_read_on, arguments));
  if (budget && result.cost.per_action.worst > *budget)
    return fail(ErrorCode::cost_budget, fmt::format("one action costs {} {} at worst, the budget is {}",
                                                    short_money(result.cost.per_action.worst),
                                                    result.currency, exact_text(*budget, 12)));
  if (result.feature->budget_month && result.cost.per_month &&
      result.cost.per_month->worst > *result.feature->budget_month)
    return fail(ErrorCode::cost_budget,
                fmt::format("a month costs {} {} at worst, the budget is {}",
                            short_money(result.cost.per_month->worst), result.currency,
                            exact_text(*result.feature->budget_month, 12)));
  return {};
}

} // namespace mrun::cli
