#include "cost/feature_cost.h"

#include <algorithm>
#include <functional>

#include <fmt/format.h>

#include "common/text.h"
#include "cost/price_rules.h"

namespace mrun {
namespace {

const Exact k_month_days = 30;
const Exact k_step = Exact(3, 2); // of a sensitivity
constexpr int k_max_factor = 100;

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
  work.units["input_tokens"] = {typical.fresh.value, worst.fresh.value};
  work.units["cached_tokens"] = {typical.cached.value, worst.cached.value};
  work.units["output_tokens"] = {typical.output.value, worst.output.value};
}

Result<Amount> one_call(const FeatureCall& call, const Setting& setting, CallCost& cost) {
  Work work;
  work.cases.push_back(call.work);
  if (call.conversation) set_conversation(*call.conversation, work.cases.front());
  work.setup_s = call.setup_s;
  work.keep_warm_s = call.keep_warm_s;
  work.per_hour = call.per_hour;
  work.instances = call.instances;
  Amount amount;
  if (call.price.kind == PriceChoice::Kind::own) {
    amount = own_amount(setting.own, work);
    cost.price_name = "your machine";
  } else {
    MRUN_ASSIGN(const Offer offer, offer_of(call.price, setting));
    amount = offer_amount(offer, work);
    cost.price_name = price_name(offer.first());
    if (call.price.kind == PriceChoice::Kind::book)
      cost.rows.insert(cost.rows.end(), offer.rows.begin(), offer.rows.end());
  }
  if (!amount.typical || !amount.worst)
    return setting.refuse(call.place, ErrorCode::cost_unknown,
                          fmt::format("call '{}': {}", printable(call.name, 60), amount.reason));
  cost.formula = amount.formula;
  cost.typical_parts = amount.typical_parts;
  cost.worst_parts = amount.worst_parts;
  return amount;
}

Result<CallCost> call_cost(const FeatureCall& call, const Setting& setting) {
  CallCost cost;
  cost.name = call.name;
  Amount other;
  other.typical = other.worst = Exact(0);
  if (!call.fallback.empty()) {
    MRUN_ASSIGN(other, one_call(call.fallback.front(), setting, cost));
    for (const auto& [end, value] :
         {std::pair(&Expected::typical, &other.typical), std::pair(&Expected::worst, &other.worst)})
      **value = **value * (call.fallback.front().times.*end);
  }
  MRUN_ASSIGN(const Amount first, one_call(call, setting, cost));
  // Each request bears 1/λ of the instances' time: λ of them bear all of it.
  if (call.instances > 0 && call.per_hour && first.typical_parts)
    cost.always_on_month = *first.typical * call.per_hour->typical * 24 * k_month_days;
  const auto set = [&](Exact Expected::*end, const Exact& a, const Exact& b) {
    const Exact times = call.times.*end, retries = call.retry_rate.*end, share = call.fallback_share.*end;
    cost.first.*end = a * times;
    cost.fallback.*end = b * share * times;
    cost.amount.*end = action_cost(a, retries, share, b) * times;
    cost.retries.*end = cost.amount.*end - cost.first.*end - cost.fallback.*end;
  };
  set(&Expected::typical, *first.typical, *other.typical);
  set(&Expected::worst, std::max(*first.worst, *first.typical), std::max(*other.worst, *other.typical));
  return cost;
}

Result<Expected> sum_of(const Feature& feature, const Setting& setting, std::vector<CallCost>* calls) {
  Expected sum{0, 0};
  for (const FeatureCall& call : feature.calls) {
    MRUN_ASSIGN(CallCost cost, call_cost(call, setting));
    sum.typical += cost.amount.typical;
    sum.worst += cost.amount.worst;
    if (calls != nullptr) calls->push_back(std::move(cost));
  }
  return sum;
}

// Something of a call that may turn out otherwise.
struct Knob {
  std::string what;
  std::size_t call = 0; // its place
  std::function<void(FeatureCall&, const Exact& factor)> turn;
};

void scale(Expected& value, const Exact& factor) {
  value.typical *= factor;
  value.worst *= factor;
}

void add_conversation_knobs(std::vector<Knob>& knobs, const std::string& name, std::size_t index) {
  const auto add = [&](const char* what, auto change) {
    knobs.push_back({fmt::format("{}: {}", name, what), index, change});
  };
  add("turns", [](FeatureCall& c, const Exact& f) {
    for (Exact* turns : {&c.conversation->turns.typical, &c.conversation->turns.worst})
      *turns = std::min<Exact>(round_up_to(*turns * f, 1), 10'000);
  });
  add("user_tokens", [](FeatureCall& c, const Exact& f) { scale(c.conversation->user, f); });
  add("reply_tokens", [](FeatureCall& c, const Exact& f) { scale(c.conversation->reply, f); });
}

void add_knobs(std::vector<Knob>& knobs, const FeatureCall& call, std::size_t index) {
  const auto add = [&](std::string_view what, auto change) {
    knobs.push_back({fmt::format("{}: {}", call.name, what), index, change});
  };
  if (call.times.worst > 0) add("times", [](FeatureCall& c, const Exact& f) { scale(c.times, f); });
  if (call.work.seconds) add("seconds", [](FeatureCall& c, const Exact& f) { scale(*c.work.seconds, f); });
  for (const auto& [unit, value] : call.work.units)
    add(unit, [name = unit](FeatureCall& c, const Exact& f) { scale(c.work.units[name], f); });
  if (call.retry_rate.worst > 0)
    add("retry_rate", [](FeatureCall& c, const Exact& f) { scale(c.retry_rate, f); });
  if (!call.fallback.empty())
    add("fallback share", [](FeatureCall& c, const Exact& f) {
      for (Exact* share : {&c.fallback_share.typical, &c.fallback_share.worst})
        *share = std::min<Exact>(*share * f, 1); // all calls at most
    });
  if (call.setup_s) add("setup_seconds", [](FeatureCall& c, const Exact& f) { scale(*c.setup_s, f); });
  if (call.keep_warm_s) add("keep_warm_seconds", [](FeatureCall& c, const Exact& f) { *c.keep_warm_s *= f; });
  if (call.conversation) add_conversation_knobs(knobs, call.name, index);
}

// What a turn of a knob is compared with: the feature as it is written.
struct Base {
  const Feature& feature;
  const Setting& setting;
  const FeatureCost& cost;
};

// Only the call that is turned is priced again.
Result<Exact> worst_with(const Base& base, const Knob& knob, const Exact& factor) {
  FeatureCall turned = base.feature.calls[knob.call];
  knob.turn(turned, factor);
  MRUN_ASSIGN(const CallCost cost, call_cost(turned, base.setting));
  return base.cost.per_action.worst - base.cost.calls[knob.call].amount.worst + cost.amount.worst;
}

// The least factor, in steps of 0.01, at which the worst action is over the budget; it grows with the factor.
std::optional<Exact> flip(const Base& base, const Knob& knob, const Exact& budget) {
  const auto is_over = [&](int hundredths) {
    const Result<Exact> worst = worst_with(base, knob, Exact(hundredths, 100));
    return !worst || *worst > budget;
  };
  int within = 0, over = k_max_factor * 100;
  if (is_over(within) || !is_over(over)) return std::nullopt;
  while (over - within > 1) {
    const int middle = within + (over - within) / 2;
    (is_over(middle) ? over : within) = middle;
  }
  return Exact(over, 100);
}

void find_sensitivity(const Feature& feature, const Setting& setting, FeatureCost& cost) {
  std::vector<Knob> knobs;
  for (std::size_t i = 0; i < feature.calls.size(); ++i)
    add_knobs(knobs, feature.calls[i], i);
  const Base base{feature, setting, cost};
  std::vector<Sensitivity> found;
  for (const Knob& knob : knobs) {
    const Result<Exact> worst = worst_with(base, knob, k_step);
    if (!worst || cost.per_action.worst == 0) continue; // past what the instances can serve
    found.push_back({knob.what, *worst / cost.per_action.worst - 1, std::nullopt});
    if (feature.budget_action) found.back().flip_at = flip(base, knob, *feature.budget_action);
  }
  std::stable_sort(found.begin(), found.end(),
                   [](const Sensitivity& a, const Sensitivity& b) { return a.change > b.change; });
  cost.sensitivity = std::move(found);
}

// Instances that are always on cost the same however many come; their fallback and all else go by the action.
Expected month_of(const Feature& feature, const FeatureCost& cost) {
  const Exact spike = 1 + (feature.spike_factor - 1) * feature.spike_days / k_month_days;
  const Expected actions{feature.actions_per_month->typical, feature.actions_per_month->worst * spike};
  Expected sum{0, 0};
  for (const CallCost& call : cost.calls)
    for (Exact Expected::*end : {&Expected::typical, &Expected::worst}) {
      const Exact& per_action = call.always_on_month ? call.fallback.*end : call.amount.*end;
      sum.*end += call.always_on_month.value_or(Exact(0)) + per_action * (actions.*end);
    }
  return sum;
}

} // namespace

Result<FeatureCost> feature_cost(const Feature& feature, const PriceBook& book,
                                 const std::optional<OwnRate>& own, std::string_view file_name) {
  const Setting setting{book, own, file_name};
  FeatureCost cost;
  MRUN_ASSIGN(cost.per_action, sum_of(feature, setting, &cost.calls));
  if (feature.actions_per_month) cost.per_month = month_of(feature, cost);
  for (const CallCost& call : cost.calls)
    for (const PriceRow* row : call.rows)
      if (cost.oldest_read_on.empty() || row->read_on < cost.oldest_read_on)
        cost.oldest_read_on = row->read_on;
  find_sensitivity(feature, setting, cost);
  return cost;
}

} // namespace mrun
