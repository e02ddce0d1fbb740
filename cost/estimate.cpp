#include "cost/estimate.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "cost/price_rules.h"

namespace mrun {
namespace {

// The only place where a unit's name meets its type.
template<class Visit>
void each_unit(Visit visit) {
  visit("image", &CaseUnits::image);
  visit("megapixel", &CaseUnits::megapixel);
  visit("video_s", &CaseUnits::video_s);
  visit("request", &CaseUnits::request);
  visit("input_tokens", &CaseUnits::input_tokens);
  visit("cached_tokens", &CaseUnits::cached_tokens);
  visit("output_tokens", &CaseUnits::output_tokens);
}

template<class Unit>
using UnitMember = std::optional<Counted<Unit>> CaseUnits::*;

std::optional<PricingStyle> style_of(const PriceRow& row) {
  if (row.per == "image" || row.per == "megapixel") return PricingStyle::image;
  if (row.per == "video_s") return PricingStyle::video;
  if (row.per == "request") return PricingStyle::request;
  if (row.per.starts_with("mtok_")) return PricingStyle::token;
  if (!seconds_of_unit(row.per)) return std::nullopt;
  // A product that bills a worker that waits is a deployment, whatever it is called.
  return row.bills("idle", false) ? PricingStyle::deployment : PricingStyle::runtime;
}

// How many devices are rented at once where the price is for one of them: a node of 8 is not sold by halves.
Exact devices_of(const PriceRow& row) {
  if (!row.per.starts_with("gpu_")) return 1;
  return std::max<std::int64_t>(1, device_count(row).value_or(1));
}

PricePerSecond rate_of(const PriceRow& row) {
  return {exact_of(row.rate) * devices_of(row) / Exact(seconds_of_unit(row.per).value_or(1))};
}

constexpr const char* k_no_own_rate = "what this machine costs is not known: `mrun cost setup`";

const Exact k_made_per_read = 4; // tokens: docs/formats/cost.md, "Formulas"

// Of all cases; nullopt when one does not tell the unit.
template<class Unit>
std::optional<Quantity<Unit>> typical_count(const Work& work, UnitMember<Unit> unit) {
  Quantity<Unit> count{0};
  for (const CaseWork& one : work.cases) {
    if (!(one.units.*unit)) return std::nullopt;
    count.value += (one.units.*unit)->typical.value;
  }
  return count;
}

PricePerSecond own_price(const OwnRate& rate, Money amount) {
  return {exact_of(amount) / Exact(seconds_of_unit(rate.per).value_or(1))};
}

std::string rate_words(const PriceRow& row) {
  const Exact devices = devices_of(row);
  return devices == 1 ? "rate" : fmt::format("rate x {} devices", exact_text(devices, 0));
}

Seconds granularity_of(const PriceRow& row) {
  return {Exact(row.granularity_ns.value_or(0), 1'000'000'000)};
}

Amount unknown(std::string reason) {
  Amount amount;
  amount.reason = std::move(reason);
  return amount;
}

// Σ of one unit × its price; nullopt when a case does not tell the unit.
template<class Unit>
std::optional<Expected> units_cost(const UnitPrice<Unit>& price, const Work& work, UnitMember<Unit> unit) {
  Expected sum{0, 0};
  for (const CaseWork& one : work.cases) {
    if (!(one.units.*unit)) return std::nullopt;
    sum.typical += price * (one.units.*unit)->typical;
    sum.worst += price * (one.units.*unit)->worst;
  }
  return sum;
}

Amount unit_amount(const PriceRow& row, const Work& work) {
  const Exact usd = exact_of(row.rate);
  std::optional<Expected> sum;
  each_unit([&]<class Unit>(std::string_view name, UnitMember<Unit> unit) {
    if (name == row.per) sum = units_cost(UnitPrice<Unit>{usd}, work, unit);
  });
  if (!sum) return unknown(fmt::format("how many {} a prediction gives is not known", row.per));
  Amount amount;
  amount.typical = sum->typical;
  amount.worst = sum->worst;
  amount.formula = fmt::format("price x {}", row.per);
  return amount;
}

const PriceRow* row_per(const Offer& offer, std::string_view per) {
  for (const PriceRow* row : offer.rows)
    if (row->per == per) return row;
  return nullptr;
}

// Tokens that are read again cost their own price, or, without one, that of any input.
Amount token_amount(const Offer& offer, const Work& work) {
  const PriceRow* in = row_per(offer, "mtok_in");
  const PriceRow* out = row_per(offer, "mtok_out");
  const PriceRow* cached = row_per(offer, "mtok_cached_in");
  if (in == nullptr || out == nullptr)
    return unknown("the price book has not both prices, of input and output");
  const auto each = [](const PriceRow* row) { return exact_of(row->rate) / 1'000'000; };
  Work whole = work;
  for (CaseWork& one : whole.cases)
    if (!one.units.cached_tokens) one.units.cached_tokens = Counted<CachedTokensUnit>{{0}, {0}};
  const auto fresh = units_cost(UnitPrice<InputTokensUnit>{each(in)}, whole, &CaseUnits::input_tokens);
  const auto again = units_cost(UnitPrice<CachedTokensUnit>{each(cached != nullptr ? cached : in)}, whole,
                                &CaseUnits::cached_tokens);
  const auto made = units_cost(UnitPrice<OutputTokensUnit>{each(out)}, whole, &CaseUnits::output_tokens);
  if (!fresh || !made) return unknown("how many tokens go in and out is not known");
  Amount amount;
  amount.typical = fresh->typical + again->typical + made->typical;
  amount.worst = fresh->worst + again->worst + made->worst;
  amount.formula = "tokens in, cached and out x their prices";
  return amount;
}

Amount runtime_amount(const PriceRow& row, const Work& work) {
  if (!row.states.contains("active")) return unknown("the source does not say which states are billed");
  Amount amount;
  amount.typical = Exact(0);
  amount.worst = Exact(0);
  for (const CaseWork& one : work.cases) {
    if (!one.seconds) return unknown("how long a prediction takes is not known");
    if (!row.bills("active", true)) continue;
    *amount.typical += runtime_cost(rate_of(row), {one.seconds->typical}, granularity_of(row));
    *amount.worst += runtime_cost(rate_of(row), {one.seconds->worst}, granularity_of(row));
  }
  amount.formula =
      fmt::format("{} x active seconds, {}", rate_words(row), row.granularity_ns ? "rounded up" : "exact");
  return amount;
}

void add_parts(std::optional<Breakdown>& parts, std::optional<Exact>& sum, const DeploymentCost& cost) {
  if (!parts) parts = Breakdown{0, 0, 0};
  parts->active += cost.active;
  parts->setup += cost.setup;
  parts->idle += cost.idle;
  sum = sum.value_or(Exact(0)) + cost.sum();
}

// A state that the source does not tell: nullopt.
std::optional<BilledStates> billed_states(const PriceRow& row) {
  if (!row.states.contains("active") || !row.states.contains("idle")) return std::nullopt;
  return BilledStates{row.bills("setup", true), row.bills("active", true), row.bills("idle", true)};
}

struct Deployment {
  PricePerSecond rate;
  BilledStates states;
  Seconds granularity;
  const Work& work;
};

// At `per_hour` requests; false: it can't serve them.
bool add_at_rate(const Deployment& deployment, const Exact& seconds, const Exact& setup,
                 const Exact& per_hour, std::optional<Breakdown>& parts, std::optional<Exact>& sum) {
  const Work& work = deployment.work;
  const Exact per_second = per_hour / 3600;
  if (work.instances > 0) {
    const auto cost =
        always_on_cost(deployment.rate, work.instances, {seconds}, per_second, work.max_utilisation);
    if (cost) add_parts(parts, sum, *cost);
    return cost.has_value();
  }
  add_parts(parts, sum,
            poisson_request_cost(deployment.rate, deployment.states, {seconds}, {setup}, {*work.keep_warm_s},
                                 per_second));
  return true;
}

// Typical: by the rate of requests. Worst: each request alone and cold, or, where instances are always on or
// the rate is given, the dearer of both rates with the longest times.
bool add_case(const Deployment& deployment, const Expected& seconds, Amount& amount) {
  const Work& work = deployment.work;
  const Expected setup = work.setup_s.value_or(Expected{0, 0});
  if (work.per_hour && !add_at_rate(deployment, seconds.typical, setup.typical, work.per_hour->typical,
                                    amount.typical_parts, amount.typical))
    return false;
  if (work.instances == 0) {
    add_parts(amount.worst_parts, amount.worst,
              lone_request_cost(deployment.rate, deployment.states, {seconds.worst}, {setup.worst},
                                {*work.keep_warm_s}, deployment.granularity));
    return true;
  }
  const Exact slowest = std::min(work.per_hour->typical, work.per_hour->worst);
  const Exact busiest = std::max(work.per_hour->typical, work.per_hour->worst);
  if (busiest / 3600 * seconds.worst > work.instances * work.max_utilisation) return false;
  return add_at_rate(deployment, seconds.worst, setup.worst, slowest, amount.worst_parts, amount.worst);
}

Amount deployed_amount(const Deployment& deployment) {
  const Work& work = deployment.work;
  if (work.instances > 0 && !work.per_hour) return unknown("how many requests come an hour is not known");
  if (work.instances == 0 && !work.keep_warm_s)
    return unknown("how long a worker stays warm is not known (--keep-warm)");
  if (work.instances == 0 && deployment.states.setup && !work.setup_s)
    return unknown("how long a load takes is not known (run it once, or --assume setup=SECONDS)");
  Amount amount;
  for (const CaseWork& one : work.cases) {
    if (!one.seconds) return unknown("how long a prediction takes is not known");
    if (!add_case(deployment, *one.seconds, amount))
      return unknown("the instances can't serve that many requests");
  }
  if (!amount.typical) amount.reason = "typical: how many requests come an hour is not known (--per-hour)";
  return amount;
}

Amount deployment_amount(const PriceRow& row, const Work& work) {
  const std::optional<BilledStates> states = billed_states(row);
  if (!states) return unknown("the source does not say which states are billed");
  Amount amount = deployed_amount({rate_of(row), *states, granularity_of(row), work});
  if (!amount.worst) return amount;
  if (work.instances > 0) amount.standing_hour = rate_of(row) * Seconds{3600} * work.instances;
  amount.formula =
      rate_words(row) + (work.instances > 0 ? " x (active + idle) of instances that are always on"
                                            : " x (active + P(cold) x setup + idle); worst: alone and cold");
  return amount;
}

} // namespace

bool is_cost_unit(std::string_view name) {
  bool is_known = false;
  each_unit([&](std::string_view known, auto) { is_known = is_known || known == name; });
  return is_known;
}

void set_unit(CaseUnits& units, std::string_view name, const Expected& value) {
  MRUN_CHECK(is_cost_unit(name));
  each_unit([&]<class Unit>(std::string_view known, UnitMember<Unit> unit) {
    if (known == name) units.*unit = Counted<Unit>{{value.typical}, {value.worst}};
  });
}

std::map<std::string, Expected> named_units(const CaseUnits& units) {
  std::map<std::string, Expected> named;
  each_unit([&]<class Unit>(std::string_view name, UnitMember<Unit> unit) {
    if (units.*unit) named[std::string(name)] = {(units.*unit)->typical.value, (units.*unit)->worst.value};
  });
  return named;
}

std::string_view pricing_style_name(PricingStyle style) {
  static constexpr std::array<std::string_view, 6> k_names = {"runtime", "image",   "video",
                                                              "token",   "request", "deployment"};
  return k_names[static_cast<std::size_t>(style)];
}

std::vector<Offer> offers_of(const std::vector<const PriceRow*>& rows) {
  std::vector<Offer> offers;
  std::map<std::string, std::size_t> places; // of a price, or of a model by token
  for (const PriceRow* row : rows) {
    const std::optional<PricingStyle> style = style_of(*row);
    if (!style) continue;
    std::string key = row->key();
    if (style == PricingStyle::token) {
      PriceRow same = *row;
      same.per = "mtok";
      key = same.key();
    }
    const auto [place, is_new] = places.emplace(key, offers.size());
    if (is_new) {
      offers.push_back({*style, {row}});
      continue;
    }
    std::vector<const PriceRow*>& kept = offers[place->second].rows;
    const auto same =
        std::find_if(kept.begin(), kept.end(), [&](const PriceRow* r) { return r->per == row->per; });
    if (same == kept.end())
      kept.push_back(row);
    else if ((*same)->read_on < row->read_on)
      *same = row;
  }
  return offers;
}

Amount offer_amount(const Offer& offer, const Work& work) {
  switch (offer.style) {
  case PricingStyle::token:
    return token_amount(offer, work);
  case PricingStyle::runtime:
    return runtime_amount(offer.first(), work);
  case PricingStyle::deployment:
    return deployment_amount(offer.first(), work);
  default:
    return unit_amount(offer.first(), work);
  }
}

Exact offer_hour(const Offer& offer) {
  return rate_of(offer.first()) * Seconds{3600};
}

Amount own_amount(const std::optional<OwnRate>& rate, const Work& work) {
  if (!rate) return unknown(k_no_own_rate);
  const PricePerSecond price = own_price(*rate, rate->rate);
  Amount amount;
  amount.typical = Exact(0);
  amount.worst = Exact(0);
  for (const CaseWork& one : work.cases) {
    if (!one.seconds) return unknown("how long a prediction takes is not known");
    *amount.typical += price * Seconds{one.seconds->typical};
    *amount.worst += price * Seconds{one.seconds->worst};
  }
  amount.formula = "rate x seconds at work";
  return amount;
}

std::map<std::string, Expected> own_unit_costs(const Amount& own, const Work& work) {
  std::map<std::string, Expected> costs;
  if (!own.typical || !own.worst) return costs;
  const auto add = [&]<class Unit>(const char* name, UnitMember<Unit> unit) {
    if (const auto count = typical_count(work, unit); count && count->value > 0)
      costs[name] = {*own.typical / count->value, *own.worst / count->value};
  };
  add("image", &CaseUnits::image);
  add("megapixel", &CaseUnits::megapixel);
  add("video_s", &CaseUnits::video_s);
  const auto in = typical_count(work, &CaseUnits::input_tokens);
  const auto out = typical_count(work, &CaseUnits::output_tokens);
  if (!in || !out || in->value + out->value == 0) return costs;
  const TokenCost typical = token_cost(*own.typical, *in, *out, k_made_per_read);
  const TokenCost worst = token_cost(*own.worst, *in, *out, k_made_per_read);
  costs["mtok_in"] = {typical.read * 1'000'000, worst.read * 1'000'000};
  costs["mtok_out"] = {typical.made * 1'000'000, worst.made * 1'000'000};
  return costs;
}

Amount own_deployment_amount(const std::optional<OwnRate>& rate, const Work& work) {
  if (!rate) return unknown(k_no_own_rate);
  if (!rate->idle_rate)
    return unknown("what this machine costs while it waits is not known: `mrun cost setup`");
  Work here = work;
  here.instances = std::min<Exact>(work.instances, 1);
  // Two deployments, one that bills its work and one that bills its waiting, each at its own rate.
  const Seconds exact{0};
  const Deployment at_work{own_price(*rate, rate->rate), {.idle = false}, exact, here};
  const Deployment waiting{
      own_price(*rate, *rate->idle_rate), {.setup = false, .active = false}, exact, here};
  const Amount busy = deployed_amount(at_work), idle = deployed_amount(waiting);
  if (!busy.worst) return busy;
  Amount amount = busy;
  amount.formula = "rate x (active + setup) + idle rate x idle";
  if (here.instances > 0) amount.standing_hour = waiting.rate * Seconds{3600};
  const auto add = [](std::optional<Exact>& sum, std::optional<Breakdown>& parts,
                      const std::optional<Breakdown>& more) {
    if (!parts || !more) return;
    parts->idle = more->idle;
    sum = parts->active + parts->setup + parts->idle;
  };
  add(amount.typical, amount.typical_parts, idle.typical_parts);
  add(amount.worst, amount.worst_parts, idle.worst_parts);
  return amount;
}

} // namespace mrun
