// What predictions will cost, by the five pricing styles, typical and at worst. Pure.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cost/charge.h"
#include "cost/formulas.h"
#include "cost/price_book.h"

namespace mrun {

struct Expected {
  Exact typical, worst;
};

// How much of a unit one prediction gives or takes.
template<class Unit>
struct Counted {
  Quantity<Unit> typical, worst;
};
// What is known of it, by type: a price meets the amounts of its own unit, or it does not compile.
struct CaseUnits {
  std::optional<Counted<ImagesUnit>> image;
  std::optional<Counted<MegapixelsUnit>> megapixel;
  std::optional<Counted<VideoSecondsUnit>> video_s;
  std::optional<Counted<RequestsUnit>> request;
  std::optional<Counted<InputTokensUnit>> input_tokens;
  std::optional<Counted<CachedTokensUnit>> cached_tokens;
  std::optional<Counted<OutputTokensUnit>> output_tokens;
};
// The same by name, for files, flags and JSON: the members' names are the only ones that `mrun cost` knows.
bool is_cost_unit(std::string_view name);
void set_unit(CaseUnits& units, std::string_view name, const Expected& value); // is_cost_unit(name)
std::map<std::string, Expected> named_units(const CaseUnits& units);           // those that are known

// One prediction.
struct CaseWork {
  std::optional<Expected> seconds; // at work
  CaseUnits units;
};
struct Work {
  std::vector<CaseWork> cases; // the amounts are the sum
  std::optional<Expected> setup_s;
  std::optional<Exact> keep_warm_s;
  // Requests that a deployment gets, > 0; the worst may be fewer than the typical: each then bears more idle
  // time.
  std::optional<Expected> per_hour;
  Exact instances = 0; // that are always on; 0: scales to zero
  Exact max_utilisation = Exact(4, 5);
};

enum class PricingStyle { runtime, image, video, token, request, deployment };
std::string_view pricing_style_name(PricingStyle style);

// A price: one row, or the rows of one model by token (in, cached, out).
struct Offer {
  PricingStyle style = PricingStyle::runtime;
  std::vector<const PriceRow*> rows;
  const PriceRow& first() const { return *rows.front(); }
};
// Rows as offers: tokens of one model together; of one price at several dates the newest; what is no price of
// a prediction (CPU cores, memory) left out.
std::vector<Offer> offers_of(const std::vector<const PriceRow*>& rows);

struct Breakdown {
  Exact active, setup, idle;
};
struct Amount {
  std::optional<Exact> typical, worst;                 // absent: not known, `reason` says why
  std::optional<Breakdown> typical_parts, worst_parts; // of a deployment
  std::optional<Exact> standing_hour; // of instances that are always on: what an hour costs if nobody comes
  std::string reason;
  std::string formula;
};
// At a provider.
Amount offer_amount(const Offer& offer, const Work& work);
// What an hour of it costs, with all its devices; of a price by time.
Exact offer_hour(const Offer& offer);
// On the user's own machine: rate x seconds, exact.
Amount own_amount(const std::optional<OwnRate>& rate, const Work& work);
// What one unit costs there, to be compared with prices per unit: image, megapixel, video_s, mtok_in,
// mtok_out. Worst is the longest time for the typical number of units. Only units that every case has, and
// not 0 of.
std::map<std::string, Expected> own_unit_costs(const Amount& own, const Work& work);
// The same machine with the model loaded on request and kept warm, or always: load and work at the rate,
// waiting at the idle rate. It is one machine: more instances neither serve more nor cost more.
Amount own_deployment_amount(const std::optional<OwnRate>& rate, const Work& work);

} // namespace mrun
