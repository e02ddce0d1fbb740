#include "cli/cost/estimate_result.h"

#include <algorithm>

#include <fmt/format.h>

#include "cli/cost/books.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

Json parts_json(const std::optional<Breakdown>& parts) {
  if (!parts) return nullptr;
  return {{"active", money_text(parts->active)},
          {"setup", money_text(parts->setup)},
          {"idle", money_text(parts->idle)}};
}

std::optional<std::int64_t> whole_ns(const Exact& seconds) {
  return nearest_integer(seconds * 1'000'000'000);
}

Json seconds_json(const std::optional<Expected>& seconds) {
  if (!seconds) return nullptr;
  const auto number = [](const std::optional<std::int64_t>& value) { return value ? Json(*value) : Json(); };
  return {{"typical_ns", number(whole_ns(seconds->typical))}, {"worst_ns", number(whole_ns(seconds->worst))}};
}

Json line_json(const PricedOffer& line) {
  const PriceRow& row = line.offer.first();
  Json rates = Json::object();
  std::string read_on = row.read_on;
  for (const PriceRow* each : line.offer.rows) {
    rates[each->per] = each->rate.text();
    read_on = std::min(read_on, each->read_on);
  }
  Json json = amount_json(line.amount);
  json.update({{"style", pricing_style_name(line.offer.style)},
               {"provider", row.provider},
               {"sku", row.sku},
               {"dims", row.dims},
               {"rates", rates},
               {"currency", "USD"},
               {"source", row.source},
               {"read_on", read_on},
               {"age_days", age_json(read_on)}});
  return json;
}

Json even_json(const std::optional<BreakEven>& even) {
  if (!even) return nullptr;
  const auto number = [](const std::optional<Exact>& value, int places) {
    return value ? Json(exact_text(*value, places)) : Json();
  };
  return {
      {"always_on", {{"name", price_name(*even->always_on)}, {"an_hour", money_text(even->hour)}}},
      {"by_use", {{"name", price_name(*even->by_use)}, {"a_prediction", money_text(even->prediction)}}},
      {"predictions_per_hour", number(even->per_hour, 6)},
      {"instances", number(even->instances, 0)},
      {"busy_percent", number(even->utilisation ? std::optional(*even->utilisation * 100) : std::nullopt, 4)},
      {"currency", "USD"}};
}

std::string even_text(const std::optional<BreakEven>& even) {
  if (!even) return "";
  std::string text =
      fmt::format("always on pays from {} predictions an hour on: {} at {} an hour, against {} at {} "
                  "each\n",
                  exact_text(even->per_hour, 1), price_name(*even->always_on), short_money(even->hour),
                  price_name(*even->by_use), short_money(even->prediction));
  if (even->instances && *even->instances > 1)
    text += fmt::format("but so many take {} of it: one that is always on does not pay\n",
                        exact_text(*even->instances, 0));
  return text;
}

Json projected_json(const ProjectedLine& line) {
  Json json = {{"label", "projected"}, {"device", line.projection.device}};
  if (line.projection.not_feasible) {
    json["not_feasible"] = *line.projection.not_feasible;
    return json;
  }
  const auto time = [](const Exact& seconds) {
    const std::optional<std::int64_t> value = whole_ns(seconds);
    return value ? Json(*value) : Json();
  };
  json["seconds"] = {{"least_ns", time(line.seconds.typical)}, {"most_ns", time(line.seconds.worst)}};
  json["basis"] = line.projection.basis;
  json["dtype"] = line.projection.dtype;
  if (line.row == nullptr)
    json["no_price"] = line.no_price;
  else
    json["price"] = {{"name", price_name(*line.row)},       {"least", money_text(line.cost.typical)},
                     {"most", money_text(line.cost.worst)}, {"formula", line.formula},
                     {"read_on", line.row->read_on},        {"source", line.row->source}};
  return json;
}

std::string seconds_words(const Exact& seconds) {
  const std::optional<std::int64_t> time_ns = whole_ns(seconds);
  return time_ns ? format_duration(*time_ns) : "unknown (beyond 292 years)";
}

std::string work_text(const Estimate& estimate) {
  std::string text = estimate.model.empty() ? "" : fmt::format("{}  ", printable(estimate.model, 100));
  text += fmt::format("{}, by {}\n", count_words(estimate.case_count, "prediction"), estimate.source);
  if (estimate.seconds)
    text +=
        fmt::format("  at work   typical {}, worst {}{}\n", seconds_words(estimate.seconds->typical),
                    seconds_words(estimate.seconds->worst),
                    estimate.workload.driver.empty() ? "" : fmt::format(", by {}", estimate.workload.driver));
  if (estimate.workload.work.setup_s)
    text += fmt::format("  a load    typical {}, worst {}\n",
                        seconds_words(estimate.workload.work.setup_s->typical),
                        seconds_words(estimate.workload.work.setup_s->worst));
  std::map<std::string, Expected> sums;
  for (const CaseWork& one : estimate.workload.work.cases)
    for (const auto& [name, value] : named_units(one.units)) {
      Expected& sum = sums.try_emplace(name, Expected{0, 0}).first->second;
      sum.typical += value.typical;
      sum.worst += value.worst;
    }
  for (const auto& [name, sum] : sums) {
    if (name == "request") continue;
    text += fmt::format("  {:<9} typical {}, worst {}\n", name, exact_text(sum.typical, 3),
                        exact_text(sum.worst, 3));
  }
  return text;
}

std::string style_of_unit(const std::string& unit) {
  return unit == "video_s" ? "video" : unit.starts_with("mtok_") ? "token" : "image";
}

// Prices by name; those that share one also by what tells them apart.
std::vector<std::string> offer_names(const std::vector<PricedOffer>& offers) {
  std::map<std::string, int> counts;
  for (const PricedOffer& line : offers)
    ++counts[price_name(line.offer.first())];
  std::vector<std::string> names;
  for (const PricedOffer& line : offers) {
    std::string name = price_name(line.offer.first());
    if (counts[name] > 1) name += " " + printable(dims_words(line.offer.first()), 60);
    names.push_back(std::move(name));
  }
  return names;
}

// A price by a unit that this model is not known to give is none of it.
bool is_of_other_unit(const PricedOffer& line, const std::vector<CaseWork>& cases) {
  const std::string& per = line.offer.first().per;
  if (seconds_of_unit(per)) return false;
  const auto has = [&](const std::string& unit) {
    return std::any_of(cases.begin(), cases.end(),
                       [&](const CaseWork& one) { return named_units(one.units).contains(unit); });
  };
  return per.starts_with("mtok_") ? !has("input_tokens") && !has("output_tokens") : !has(per);
}

// Why so many offers have no amount.
std::string unknown_text(const Estimate& estimate) {
  std::map<std::string, std::size_t> reasons;
  for (const PricedOffer& line : estimate.offers)
    if (!line.amount.worst && !is_of_other_unit(line, estimate.workload.work.cases))
      ++reasons[line.amount.reason];
  std::string text;
  for (const auto& [reason, count] : reasons)
    text += fmt::format("not estimated: {}: {}\n", count_words(count, "price"), reason);
  return text;
}

std::string offers_text(const Estimate& estimate) {
  Table table{
      .header = {"STYLE", "WHERE", "TYPICAL", "WORST", "", "READ ON"}, .rows = {}, .right_aligned = {2, 3}};
  table.rows.push_back({"runtime", "your machine", short_money(estimate.own.typical),
                        short_money(estimate.own.worst), estimate.currency.empty() ? "" : estimate.currency,
                        ""});
  for (const auto& [unit, cost] : estimate.own_units)
    table.rows.push_back({style_of_unit(unit), fmt::format("your machine, per {}", unit),
                          short_money(cost.typical), short_money(cost.worst), estimate.currency, ""});
  if (estimate.own_deployment.worst)
    table.rows.push_back({"deployment", "your machine", short_money(estimate.own_deployment.typical),
                          short_money(estimate.own_deployment.worst), estimate.currency, ""});
  const std::vector<std::string> names = offer_names(estimate.offers);
  for (std::size_t i = 0; i < names.size(); ++i) {
    const PricedOffer& line = estimate.offers[i];
    if (!line.amount.worst) continue;
    table.rows.push_back({std::string(pricing_style_name(line.offer.style)), names[i],
                          short_money(line.amount.typical), short_money(line.amount.worst), "USD",
                          line.offer.first().read_on});
  }
  std::string text = render_table(table);
  if (!estimate.own.typical) text += fmt::format("your machine: {}\n", estimate.own.reason);
  return text + unknown_text(estimate);
}

std::string projections_text(const Estimate& estimate) {
  if (!estimate.no_projection.empty()) return fmt::format("not projected: {}\n", estimate.no_projection);
  std::string text;
  for (const ProjectedLine& line : estimate.projected) {
    text += fmt::format("projected  {}{}: ", line.projection.device,
                        line.projection.dtype.empty() ? "" : fmt::format(" in {}", line.projection.dtype));
    if (line.projection.not_feasible) {
      text += fmt::format("not possible: {}\n", *line.projection.not_feasible);
      continue;
    }
    text += fmt::format("{} to {}", seconds_words(line.seconds.typical), seconds_words(line.seconds.worst));
    text += line.row == nullptr
                ? fmt::format(", cost unknown: {}", line.no_price)
                : fmt::format(", {} to {} USD at {}, read on {}", short_money(line.cost.typical),
                              short_money(line.cost.worst), price_name(*line.row), line.row->read_on);
    text += "\n";
  }
  return text;
}

Json text_or_null(const std::string& text) {
  return text.empty() ? Json() : Json(text);
}

Json cases_json(const std::vector<CaseWork>& cases) {
  Json json = Json::array();
  for (const CaseWork& one : cases) {
    Json each = {{"seconds", seconds_json(one.seconds)}, {"units", Json::object()}};
    for (const auto& [name, value] : named_units(one.units))
      each["units"][name] = expected_json(value, 6);
    json.push_back(std::move(each));
  }
  return json;
}

// What stands for the user's own machine.
void add_own(Json& json, const Estimate& estimate) {
  Json units = Json::object();
  for (const auto& [unit, cost] : estimate.own_units)
    units[unit] = expected_json(cost, 12);
  json["own_units"] = std::move(units);
  json["own"] = amount_json(estimate.own);
  json["own_deployment"] = amount_json(estimate.own_deployment);
  for (const char* key : {"own", "own_deployment"})
    json[key]["currency"] = text_or_null(estimate.currency);
}

} // namespace

Json amount_json(const Amount& amount) {
  const auto value = [](const std::optional<Exact>& exact) {
    return exact ? Json(money_text(exact)) : Json();
  };
  Json json = {{"typical", value(amount.typical)}, {"worst", value(amount.worst)}};
  if (!amount.reason.empty()) json["reason"] = amount.reason;
  if (!amount.formula.empty()) json["formula"] = amount.formula;
  if (amount.typical_parts) json["typical_parts"] = parts_json(amount.typical_parts);
  if (amount.worst_parts) json["worst_parts"] = parts_json(amount.worst_parts);
  return json;
}

Json expected_json(const Expected& value, int places) {
  return {{"typical", exact_text(value.typical, places)}, {"worst", exact_text(value.worst, places)}};
}

std::string money_text(const std::optional<Exact>& value) {
  return value ? exact_text(*value, 12) : "unknown";
}

std::string short_money(const std::optional<Exact>& value) {
  if (!value) return "unknown";
  int places = 2;
  for (Exact least = Exact(1); places < 12 && *value > 0 && *value < least * 10; least /= 10)
    ++places;
  return exact_text(*value, places);
}

Json estimate_json(const Estimate& estimate) {
  Json offers = Json::array(), projected = Json::array();
  std::size_t unknown = estimate.own.typical ? 0 : 1;
  for (const PricedOffer& line : estimate.offers) {
    offers.push_back(line_json(line));
    unknown += line.amount.worst ? 0 : 1;
  }
  for (const ProjectedLine& line : estimate.projected)
    projected.push_back(projected_json(line));
  Json json = {{"schema", "mrun.cost_estimate/v1"},
               {"id", estimate.id},
               {"model", text_or_null(estimate.model)},
               {"version", text_or_null(estimate.version)},
               {"case_count", estimate.case_count},
               {"basis", estimate.source},
               {"driver", text_or_null(estimate.workload.driver)},
               {"notes", estimate.workload.notes},
               {"seconds", seconds_json(estimate.seconds)},
               {"setup", seconds_json(estimate.workload.work.setup_s)},
               {"cases", cases_json(estimate.workload.work.cases)},
               {"offers", offers},
               {"not_estimated_count", unknown},
               {"break_even", even_json(estimate.even)},
               {"projected", projected},
               {"no_projection", text_or_null(estimate.no_projection)}};
  add_own(json, estimate);
  return json;
}

std::string estimate_text(const Estimate& estimate) {
  return work_text(estimate) + "\n" + offers_text(estimate) + even_text(estimate.even) + "\n" +
         projections_text(estimate);
}

} // namespace mrun::cli
