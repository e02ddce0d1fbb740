#include "cost/feature_cost.h"

#include <algorithm>
#include <functional>
#include <utility>

#include <fmt/format.h>

#include "common/text.h"
#include "cost/price_rules.h"

namespace mrun {
namespace {

const Exact k_month_days = 30;
const Exact k_step = Exact(3, 2); // of a sensitivity
constexpr int k_max_factor = 100;
constexpr int k_most_apart = 2; // times that requests an hour may be away from what the actions make

struct Setting {
  const PriceBook& book;
  const std::optional<OwnRate>& own;
  std::string_view file_name;

  tl::unexpected<Error> refuse(YamlPlace place, ErrorCode code, std::string_view message,
                               std::string hint = {}) const {
    return fail_at(file_name, place, code, message, std::move(hint));
  }
};

bool fits(const PriceRow& row, const PriceChoice& choice) {
  if (row.provider != choice.provider || row.sku != choice.sku || !row.dim("status").empty()) return false;
  return std::all_of(choice.dims.begin(), choice.dims.end(), [&](const auto& wanted) {
    return wanted.first == "per" ? row.per == wanted.second : row.dim(wanted.first) == wanted.second;
  });
}

std::string dims_words(const Offer& offer) {
  std::string words = "per: " + offer.first().per;
  for (const auto& [name, value] : offer.first().dims)
    words += fmt::format(", {}: {}", name, value);
  return "{" + words + "}";
}

Result<Offer> offer_of(const PriceChoice& choice, const Setting& setting) {
  if (choice.kind == PriceChoice::Kind::here) return offers_of({&choice.here}).front();
  std::vector<const PriceRow*> rows;
  for (const PriceRow& row : setting.book.rows)
    if (fits(row, choice)) rows.push_back(&row);
  const std::vector<Offer> offers = offers_of(rows);
  if (offers.size() == 1) return offers.front();
  if (offers.empty()) {
    std::vector<std::string> names;
    for (const PriceRow& row : setting.book.rows)
      names.push_back(fmt::format("{{provider: {}, sku: {}}}", row.provider, row.sku));
    const std::string near =
        nearest(fmt::format("{{provider: {}, sku: {}}}", choice.provider, choice.sku), names);
    return setting.refuse(choice.place, ErrorCode::price_unknown,
                          fmt::format("the price book has no price of '{}' for '{}' with that",
                                      printable(choice.provider, 60), printable(choice.sku, 60)),
                          near.empty() ? "see `mrun prices ls`" : "the nearest is " + near);
  }
  std::string which;
  for (std::size_t i = 0; i < std::min<std::size_t>(offers.size(), 4); ++i)
    which += (i == 0 ? "" : " or ") + dims_words(offers[i]);
  return setting.refuse(choice.place, ErrorCode::price_unknown,
                        fmt::format("{} prices fit '{}' of '{}'", offers.size(), printable(choice.sku, 60),
                                    printable(choice.provider, 60)),
                        "add what tells them apart: " + which);
}

void set_conversation(const ConversationShape& shape, CaseWork& work) {
  const auto tokens = [&](Exact Expected::*end) {
    return conversation_tokens({.turns = static_cast<std::int64_t>(shape.turns.*end),
                                .system = shape.system.*end,
                                .user = shape.user.*end,
                                .reply = shape.reply.*end,
                                .window = shape.window,
                                .cached = shape.cached});
  };
  const ConversationTokens typical = tokens(&Expected::typical), worst = tokens(&Expected::worst);
  work.units.input_tokens = Counted<InputTokensUnit>{typical.fresh, worst.fresh};
  work.units.cached_tokens = Counted<CachedTokensUnit>{typical.cached, worst.cached};
  work.units.output_tokens = Counted<OutputTokensUnit>{typical.output, worst.output};
}

// How often it is called for each time that something asks for it, with its retries.
Exact tries(const FeatureCall& call, Exact Expected::*end) {
  return call.times.*end * (1 + call.retry_rate.*end);
}

// Requests an hour when a month's actions come evenly; `first`: the call that this one is the fallback of.
// nullopt: how many actions there are is not said.
std::optional<Expected> even_rate(const FeatureCall& call, const FeatureCall* first, const Volume& volume) {
  if (!volume.actions_per_month) return std::nullopt;
  Expected rate;
  for (Exact Expected::*end : {&Expected::typical, &Expected::worst}) {
    rate.*end = (*volume.actions_per_month).*end / (24 * k_month_days) * tries(call, end);
    if (first != nullptr) rate.*end *= tries(*first, end) * first->fallback_share.*end;
  }
  return rate;
}

bool is_deployed(const FeatureCall& call) {
  return call.setup_s || call.keep_warm_s || call.per_hour || call.instances > 0;
}

void times(Amount& amount, const Exact& factor) {
  *amount.typical *= factor;
  *amount.worst *= factor;
  if (amount.standing_hour) *amount.standing_hour *= factor;
}

Result<Amount> one_call(const FeatureCall& call, const std::optional<Expected>& rate, const Setting& setting,
                        CallCost& cost) {
  Work work;
  work.cases.push_back(call.work);
  if (call.conversation) set_conversation(*call.conversation, work.cases.front());
  work.setup_s = call.setup_s;
  work.keep_warm_s = call.keep_warm_s;
  work.per_hour = call.per_hour;
  if (!work.per_hour && rate && rate->typical > 0) work.per_hour = rate;
  work.instances = call.instances;
  Amount amount;
  if (call.price.kind == PriceChoice::Kind::own) {
    amount = is_deployed(call) ? own_deployment_amount(setting.own, work) : own_amount(setting.own, work);
    cost.price_name = "your machine";
  } else {
    MRUN_ASSIGN(const Offer offer, offer_of(call.price, setting));
    amount = offer_amount(offer, work);
    cost.price_name = price_name(offer.first());
    cost.rows.insert(cost.rows.end(), offer.rows.begin(), offer.rows.end());
  }
  if (!amount.typical || !amount.worst)
    return setting.refuse(call.place, ErrorCode::cost_unknown,
                          fmt::format("call '{}': {}", printable(call.name, 60), amount.reason));
  if (call.price_factor != 1) times(amount, call.price_factor);
  cost.formula = amount.formula;
  cost.typical_parts = amount.typical_parts;
  cost.worst_parts = amount.worst_parts;
  return amount;
}

// The busiest hour: the worst actions of the month spread over it, on a day of the spike, each with all its
// retries. The user's own machine is one.
Result<void> check_one(const FeatureCall& call, const FeatureCall* first, const Volume& volume,
                       const Setting& setting) {
  const std::optional<Expected> rate = even_rate(call, first, volume);
  if (!rate || call.instances == 0 || !call.work.seconds) return {};
  const bool is_own = call.price.kind == PriceChoice::Kind::own;
  const Exact requests = rate->worst * (volume.spike_days > 0 ? volume.spike_factor : Exact(1));
  const Seconds longest{call.work.seconds->worst};
  const Exact needed = instances_needed(requests / 3600, longest, Work().max_utilisation);
  if (needed <= (is_own ? std::min<Exact>(call.instances, 1) : call.instances)) return {};
  return setting.refuse(
      call.place, ErrorCode::cost_unknown,
      fmt::format("call '{}': the instances can't serve that many requests: {} an hour of "
                  "{} s, in the busiest hour of the worst month",
                  printable(call.name, 60), exact_text(requests, 1), exact_text(longest.value, 3)),
      is_own ? "your machine is one instance" : fmt::format("instances: {}", exact_text(needed, 0)));
}

Result<void> check_capacity(const FeatureCall& call, const Volume& volume, const Setting& setting) {
  MRUN_TRY(check_one(call, nullptr, volume, setting));
  for (const FeatureCall& other : call.fallback)
    MRUN_TRY(check_one(other, &call, volume, setting));
  return {};
}

// Whether requests an hour and actions a month, where both are given, can be of one feature: instances that
// are always on are paid for by their average, others may have busy hours, but none has fewer than all.
Result<void> check_rate(const FeatureCall& call, const FeatureCall* first, const Volume& volume,
                        const Setting& setting) {
  const std::optional<Expected> even = even_rate(call, first, volume);
  if (!call.per_hour || !even || even->typical == 0) return {};
  const Exact& given = call.per_hour->typical;
  const bool is_too_few = given * k_most_apart < even->typical;
  const bool is_too_many = call.instances > 0 && given > even->typical * k_most_apart;
  if (!is_too_few && !is_too_many) return {};
  return setting.refuse(
      call.place, ErrorCode::cost_feature,
      fmt::format("call '{}': `requests_per_hour` is {}, but `actions_per_month` make {} an hour",
                  printable(call.name, 60), exact_text(given, 3), exact_text(even->typical, 3)),
      "leave `requests_per_hour` out: it follows from the actions");
}

// Whether the calls fit together.
Result<void> check_calls(const Feature& feature, const Setting& setting) {
  bool has_own = false; // that is always on
  const auto check = [&](const FeatureCall& call, const FeatureCall* first) -> Result<void> {
    MRUN_TRY(check_rate(call, first, feature.volume, setting));
    if (call.price.kind != PriceChoice::Kind::own || call.instances == 0) return {};
    if (std::exchange(has_own, true))
      return setting.refuse(call.place, ErrorCode::cost_feature,
                            "your machine is one, and another call keeps it always on already",
                            "leave out `instances`: what a call takes there is then its time at work");
    return {};
  };
  for (const FeatureCall& call : feature.calls) {
    MRUN_TRY(check(call, nullptr));
    for (const FeatureCall& other : call.fallback)
      MRUN_TRY(check(other, &call));
  }
  return {};
}

// A call by itself, per action or, as a fallback, per time that it is called for.
struct OwnCost {
  Expected once{0, 0};
  Expected by_use{0, 0}; // what of it is not an instance's that costs the same whoever comes
  Expected retry_rate{0, 0}, times{0, 0};
  Exact month = 0; // of such instances
};

Result<OwnCost> own_cost(const FeatureCall& call, const FeatureCall* first, const Volume& volume,
                         const Setting& setting, CallCost& cost) {
  const std::optional<Expected> rate = even_rate(call, first, volume);
  MRUN_ASSIGN(const Amount amount, one_call(call, rate, setting, cost));
  OwnCost own{.once = {*amount.typical, std::max(*amount.worst, *amount.typical)},
              .by_use = {},
              .retry_rate = call.retry_rate,
              .times = call.times};
  own.by_use = own.once;
  if (!amount.standing_hour) return own;
  // Each request bears its part of the instances' time.
  const Expected per_hour = call.per_hour ? *call.per_hour : *rate;
  own.month = *amount.standing_hour * 24 * k_month_days;
  own.by_use.typical -= *amount.standing_hour / per_hour.typical;
  own.by_use.worst = std::max<Exact>(
      own.by_use.typical, *amount.worst - *amount.standing_hour / std::min(per_hour.typical, per_hour.worst));
  return own;
}

Result<CallCost> call_cost(const FeatureCall& call, const Volume& volume, const Setting& setting) {
  MRUN_TRY(check_capacity(call, volume, setting));
  CallCost cost;
  cost.name = call.name;
  OwnCost other;
  if (!call.fallback.empty()) {
    MRUN_ASSIGN(other, own_cost(call.fallback.front(), &call, volume, setting, cost));
  }
  MRUN_ASSIGN(const OwnCost first, own_cost(call, nullptr, volume, setting, cost));
  cost.always_on_month = first.month + other.month;
  for (Exact Expected::*end : {&Expected::typical, &Expected::worst}) {
    const Exact times = first.times.*end, share = call.fallback_share.*end, again = first.retry_rate.*end;
    const Exact one = first.once.*end, each = other.once.*end * other.times.*end;
    const Exact each_again = each * (1 + other.retry_rate.*end);
    cost.first.*end = one * times;
    cost.fallback.*end = each * share * times;
    cost.amount.*end = action_cost(one, again, share, each_again) * times;
    cost.retries.*end = cost.amount.*end - cost.first.*end - cost.fallback.*end;
    const Exact other_by_use = other.by_use.*end * other.times.*end * (1 + other.retry_rate.*end);
    cost.by_use.*end = action_cost(first.by_use.*end, again, share, other_by_use) * times;
  }
  return cost;
}

// Instances that are always on cost the same however many come; all else goes by the action.
Expected month_of(const CallCost& call, const Volume& volume) {
  const Exact spike = 1 + (volume.spike_factor - 1) * volume.spike_days / k_month_days;
  const Expected& actions = *volume.actions_per_month;
  return {call.always_on_month + call.by_use.typical * actions.typical,
          call.always_on_month + call.by_use.worst * actions.worst * spike};
}

// Something that may turn out otherwise: of one call, or of how much there is.
struct Knob {
  std::string what;
  std::optional<std::size_t> call; // its place
  std::function<void(FeatureCall&, const Exact& factor)> turn;
  std::function<void(Volume&, const Exact& factor)> turn_volume;
};

void scale(Expected& value, const Exact& factor) {
  value.typical *= factor;
  value.worst *= factor;
}

// Knobs of a call, or of the fallback of one.
class CallKnobs {
 public:
  CallKnobs(std::vector<Knob>& knobs, const FeatureCall& call, std::size_t index, bool is_fallback)
      : m_knobs(knobs),
        m_call(call),
        m_index(index),
        m_is_fallback(is_fallback) {}

  void add_all() {
    add("price", [](FeatureCall& c, const Exact& f) { c.price_factor *= f; });
    if (m_call.times.worst > 0) add("times", [](FeatureCall& c, const Exact& f) { scale(c.times, f); });
    if (m_call.retry_rate.worst > 0)
      add("retry_rate", [](FeatureCall& c, const Exact& f) { scale(c.retry_rate, f); });
    if (!m_call.fallback.empty())
      add("fallback share", [](FeatureCall& c, const Exact& f) {
        for (Exact* share : {&c.fallback_share.typical, &c.fallback_share.worst})
          *share = std::min<Exact>(*share * f, 1); // all calls at most
      });
    add_amounts();
    add_deployment();
    if (m_call.conversation) add_conversation(*m_call.conversation);
  }

 private:
  template<class Change>
  void add(std::string_view what, Change change) {
    std::string name = fmt::format("{}: {}", m_call.name, what);
    if (m_is_fallback) {
      m_knobs.push_back({std::move(name),
                         m_index,
                         [change](FeatureCall& c, const Exact& f) { change(c.fallback.front(), f); },
                         {}});
    } else {
      m_knobs.push_back({std::move(name), m_index, change, {}});
    }
  }

  void add_amounts() {
    if (m_call.work.seconds)
      add("seconds", [](FeatureCall& c, const Exact& f) { scale(*c.work.seconds, f); });
    for (const auto& [unit, value] : named_units(m_call.work.units))
      add(unit, [name = unit](FeatureCall& c, const Exact& f) {
        Expected turned = named_units(c.work.units).at(name);
        scale(turned, f);
        set_unit(c.work.units, name, turned);
      });
  }

  void add_deployment() {
    if (m_call.setup_s) add("setup_seconds", [](FeatureCall& c, const Exact& f) { scale(*c.setup_s, f); });
    if (m_call.keep_warm_s)
      add("keep_warm_seconds", [](FeatureCall& c, const Exact& f) { *c.keep_warm_s *= f; });
    if (m_call.per_hour)
      add("requests_per_hour", [](FeatureCall& c, const Exact& f) { scale(*c.per_hour, f); });
    if (m_call.instances > 0 && m_call.price.kind != PriceChoice::Kind::own) // which is one machine
      add("instances", [](FeatureCall& c, const Exact& f) { c.instances = round_up_to(c.instances * f, 1); });
  }

  void add_conversation(const ConversationShape& shape) {
    add("turns", [](FeatureCall& c, const Exact& f) {
      for (Exact* turns : {&c.conversation->turns.typical, &c.conversation->turns.worst})
        *turns = std::min<Exact>(round_up_to(*turns * f, 1), 10'000);
    });
    add("user_tokens", [](FeatureCall& c, const Exact& f) { scale(c.conversation->user, f); });
    add("reply_tokens", [](FeatureCall& c, const Exact& f) { scale(c.conversation->reply, f); });
    if (shape.system.worst > 0)
      add("system_tokens", [](FeatureCall& c, const Exact& f) { scale(c.conversation->system, f); });
    if (shape.window)
      add("window_tokens", [](FeatureCall& c, const Exact& f) { *c.conversation->window *= f; });
  }

  std::vector<Knob>& m_knobs;
  const FeatureCall& m_call;
  std::size_t m_index;
  bool m_is_fallback;
};

void add_volume_knobs(std::vector<Knob>& knobs, const Volume& volume) {
  const auto add = [&](const char* what, auto change) { knobs.push_back({what, {}, {}, change}); };
  if (!volume.actions_per_month) return;
  add("actions_per_month", [](Volume& v, const Exact& f) { scale(*v.actions_per_month, f); });
  if (volume.spike_days == 0) return;
  add("spike factor",
      [](Volume& v, const Exact& f) { v.spike_factor = std::max<Exact>(v.spike_factor * f, 1); });
  add("spike days",
      [](Volume& v, const Exact& f) { v.spike_days = std::min<Exact>(v.spike_days * f, k_month_days); });
}

// What a turn of a knob is compared with: the feature as it is written.
struct Base {
  const Feature& feature;
  const Setting& setting;
  const FeatureCost& cost;
};

struct Worst {
  Exact action;
  std::optional<Exact> month;
};

// Only the call that is turned is priced again.
Result<Worst> worst_with(const Base& base, const Knob& knob, const Exact& factor) {
  const Feature& feature = base.feature;
  Worst worst{base.cost.per_action.worst, std::nullopt};
  if (base.cost.per_month) worst.month = base.cost.per_month->worst;
  if (knob.call) {
    FeatureCall turned = feature.calls[*knob.call];
    knob.turn(turned, factor);
    MRUN_ASSIGN(const CallCost cost, call_cost(turned, feature.volume, base.setting));
    const CallCost& written = base.cost.calls[*knob.call];
    worst.action += cost.amount.worst - written.amount.worst;
    if (worst.month)
      *worst.month += month_of(cost, feature.volume).worst - month_of(written, feature.volume).worst;
    return worst;
  }
  Volume turned = feature.volume;
  knob.turn_volume(turned, factor);
  worst = {Exact(0), Exact(0)};
  for (const FeatureCall& call : feature.calls) {
    MRUN_ASSIGN(const CallCost cost, call_cost(call, turned, base.setting));
    worst.action += cost.amount.worst;
    *worst.month += month_of(cost, turned).worst;
  }
  return worst;
}

// The least factor, in steps of 0.01, at which the worst is over its budget (or can't be served); it grows
// with the factor. A factor of 0 is none: no requests, no cost of one.
std::optional<Exact> flip(const std::function<bool(const Exact& factor)>& is_over) {
  int within = 1, over = k_max_factor * 100;
  if (is_over(Exact(within, 100)) || !is_over(k_max_factor)) return std::nullopt;
  while (over - within > 1) {
    const int middle = within + (over - within) / 2;
    (is_over(Exact(middle, 100)) ? over : within) = middle;
  }
  return Exact(over, 100);
}

void find_flips(const Base& base, const Knob& knob, Sensitivity& found) {
  if (base.feature.budget_action && knob.call)
    found.flip_at = flip([&](const Exact& factor) {
      const Result<Worst> worst = worst_with(base, knob, factor);
      return !worst || worst->action > *base.feature.budget_action;
    });
  if (base.feature.budget_month)
    found.month_flip_at = flip([&](const Exact& factor) {
      const Result<Worst> worst = worst_with(base, knob, factor);
      return !worst || *worst->month > *base.feature.budget_month;
    });
}

void find_sensitivity(const Feature& feature, const Setting& setting, FeatureCost& cost) {
  std::vector<Knob> knobs;
  for (std::size_t i = 0; i < feature.calls.size(); ++i) {
    CallKnobs(knobs, feature.calls[i], i, false).add_all();
    for (const FeatureCall& other : feature.calls[i].fallback)
      CallKnobs(knobs, other, i, true).add_all();
  }
  add_volume_knobs(knobs, feature.volume);
  const Base base{feature, setting, cost};
  std::vector<Sensitivity> found;
  for (const Knob& knob : knobs) {
    const Result<Worst> worst = worst_with(base, knob, k_step);
    if (!worst || cost.per_action.worst == 0) continue; // past what the instances can serve
    Sensitivity& one = found.emplace_back();
    one.what = knob.what;
    one.change = worst->action / cost.per_action.worst - 1;
    if (worst->month && cost.per_month->worst > 0)
      one.month_change = *worst->month / cost.per_month->worst - 1;
    find_flips(base, knob, one);
  }
  // The strongest first, whichever way it moves.
  const auto strength = [](const Sensitivity& one) {
    const Exact change = boost::multiprecision::abs(one.change);
    return one.month_change ? std::max<Exact>(change, boost::multiprecision::abs(*one.month_change)) : change;
  };
  std::stable_sort(found.begin(), found.end(),
                   [&](const Sensitivity& a, const Sensitivity& b) { return strength(a) > strength(b); });
  cost.sensitivity = std::move(found);
}

void add_month(const Volume& volume, FeatureCost& cost) {
  if (!volume.actions_per_month) return;
  cost.per_month = Expected{0, 0};
  for (const CallCost& call : cost.calls) {
    const Expected month = month_of(call, volume);
    cost.per_month->typical += month.typical;
    cost.per_month->worst += month.worst;
  }
}

} // namespace

Result<FeatureCost> feature_cost(const Feature& feature, const PriceBook& book,
                                 const std::optional<OwnRate>& own, std::string_view file_name) {
  const Setting setting{book, own, file_name};
  FeatureCost cost;
  cost.per_action = {0, 0};
  MRUN_TRY(check_calls(feature, setting));
  for (const FeatureCall& call : feature.calls) {
    MRUN_ASSIGN(CallCost one, call_cost(call, feature.volume, setting));
    cost.per_action.typical += one.amount.typical;
    cost.per_action.worst += one.amount.worst;
    cost.calls.push_back(std::move(one));
  }
  add_month(feature.volume, cost);
  for (const CallCost& call : cost.calls)
    for (const PriceRow* row : call.rows)
      if (cost.oldest_read_on.empty() || row->read_on < cost.oldest_read_on)
        cost.oldest_read_on = row->read_on;
  find_sensitivity(feature, setting, cost);
  return cost;
}

} // namespace mrun
