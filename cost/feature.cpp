#include "cost/feature.h"

#include <algorithm>
#include <array>
#include <span>

#include <fmt/format.h>

#include "common/fd.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_feature_bytes = 256 * 1024;
constexpr std::size_t k_max_calls = 64;
const Exact k_max_turns = 10'000;
const Exact k_most = 1'000'000'000;

using Keys = std::span<const std::string_view>;

class FeatureReader {
 public:
  explicit FeatureReader(std::string_view file_name) : m_file_name(file_name) {}

  Result<Feature> read(const YamlNode& root) const {
    static constexpr std::string_view k_keys[] = {"feature", "name",  "description", "actions_per_month",
                                                  "spike",   "calls", "budget"};
    MRUN_TRY(known(root, "the feature", k_keys));
    MRUN_ASSIGN(const std::string format, text(root, "feature"));
    if (format != "1") return refuse(*root.find("feature"), "`feature` is not 1, the format of this file");
    Feature feature;
    MRUN_ASSIGN(feature.name, text(root, "name"));
    if (root.find("description") != nullptr) {
      MRUN_ASSIGN(feature.description, text(root, "description"));
    }
    MRUN_ASSIGN(feature.volume.actions_per_month, optional_range(root, "actions_per_month"));
    MRUN_TRY(spike(root, feature));
    MRUN_TRY(budget(root, feature));
    const YamlNode* calls = root.find("calls");
    if (calls == nullptr || calls->kind != YamlNode::Kind::sequence || calls->items.empty())
      return refuse(calls == nullptr ? root : *calls, "`calls` is not a list of at least one call");
    if (calls->items.size() > k_max_calls)
      return refuse(*calls, fmt::format("`calls` has more than {} entries", k_max_calls));
    for (const YamlNode& item : calls->items) {
      MRUN_ASSIGN(FeatureCall one, call(item, false));
      feature.calls.push_back(std::move(one));
    }
    return feature;
  }

 private:
  tl::unexpected<Error> refuse(const YamlNode& node, std::string_view message, std::string hint = {}) const {
    return fail_at(m_file_name, node.place, ErrorCode::cost_feature, message, std::move(hint));
  }

  Result<void> known(const YamlNode& node, std::string_view what, Keys keys) const {
    if (node.kind != YamlNode::Kind::map) return refuse(node, fmt::format("{} is not a map of keys", what));
    for (const YamlNode::Key& key : node.keys) {
      if (std::find(keys.begin(), keys.end(), key.text) != keys.end()) continue;
      const std::vector<std::string> names(keys.begin(), keys.end());
      const std::string near = nearest(key.text, names);
      return fail_at(m_file_name, key.place, ErrorCode::cost_feature,
                     fmt::format("{} has no key `{}`", what, printable(key.text, 60)),
                     near.empty() ? fmt::format("it has {}", fmt::join(names, ", "))
                                  : fmt::format("the nearest is `{}`", near));
    }
    return {};
  }

  Result<std::string> text(const YamlNode& node, std::string_view key) const {
    const YamlNode* found = node.find(key);
    if (found == nullptr) return refuse(node, fmt::format("`{}` is missing", key));
    if (found->kind != YamlNode::Kind::scalar || found->text.empty())
      return refuse(*found, fmt::format("`{}` is not a single value", key));
    return found->text;
  }

  Result<Exact> number(const YamlNode& node, std::string_view key) const {
    if (node.kind != YamlNode::Kind::scalar) return refuse(node, fmt::format("`{}` is not a number", key));
    Result<Exact> value = parse_exact(node.text, ErrorCode::cost_feature);
    if (!value) return refuse(node, fmt::format("`{}`: {}", key, value.error().message), value.error().hint);
    if (*value > k_most) return refuse(node, fmt::format("`{}` is more than 10^9", key));
    return value;
  }

  // N, or {typical: N, worst: M}; N ≤ M unless `may_fall`.
  Result<Expected> range(const YamlNode& node, std::string_view key, bool may_fall = false) const {
    if (node.kind == YamlNode::Kind::scalar) {
      MRUN_ASSIGN(const Exact value, number(node, key));
      return Expected{value, value};
    }
    static constexpr std::string_view k_keys[] = {"typical", "worst"};
    MRUN_TRY(known(node, fmt::format("`{}`", key), k_keys));
    const YamlNode *typical = node.find("typical"), *worst = node.find("worst");
    if (typical == nullptr || worst == nullptr)
      return refuse(node, fmt::format("`{}` needs both `typical` and `worst`", key),
                    "worst is the heaviest use that is realistic: budgets go by it");
    Expected value;
    MRUN_ASSIGN(value.typical, number(*typical, key));
    MRUN_ASSIGN(value.worst, number(*worst, key));
    if (value.worst < value.typical && !may_fall)
      return refuse(*worst, fmt::format("`{}`: worst is less than typical", key));
    return value;
  }

  Result<std::optional<Expected>> optional_range(const YamlNode& node, std::string_view key,
                                                 bool may_fall = false) const {
    const YamlNode* found = node.find(key);
    if (found == nullptr) return std::optional<Expected>();
    MRUN_ASSIGN(const Expected value, range(*found, key, may_fall));
    return std::optional(value);
  }

  Result<std::optional<Exact>> optional_number(const YamlNode& node, std::string_view key) const {
    const YamlNode* found = node.find(key);
    if (found == nullptr) return std::optional<Exact>();
    MRUN_ASSIGN(const Exact value, number(*found, key));
    return std::optional(value);
  }

  Result<void> spike(const YamlNode& root, Feature& feature) const {
    const YamlNode* node = root.find("spike");
    if (node == nullptr) return {};
    static constexpr std::string_view k_keys[] = {"factor", "days"};
    MRUN_TRY(known(*node, "`spike`", k_keys));
    MRUN_ASSIGN(const std::optional<Exact> factor, optional_number(*node, "factor"));
    MRUN_ASSIGN(const std::optional<Exact> days, optional_number(*node, "days"));
    if (!factor || !days || *factor < 1 || *days > 30)
      return refuse(*node, "`spike` needs a `factor` of 1 or more and `days` up to 30");
    feature.volume.spike_factor = *factor;
    feature.volume.spike_days = *days;
    return {};
  }

  Result<void> budget(const YamlNode& root, Feature& feature) const {
    const YamlNode* node = root.find("budget");
    if (node == nullptr) return {};
    static constexpr std::string_view k_keys[] = {"per_action", "per_month"};
    MRUN_TRY(known(*node, "`budget`", k_keys));
    MRUN_ASSIGN(feature.budget_action, optional_number(*node, "per_action"));
    MRUN_ASSIGN(feature.budget_month, optional_number(*node, "per_month"));
    if (feature.budget_month && !feature.volume.actions_per_month)
      return refuse(*node, "a budget per month needs `actions_per_month`");
    return {};
  }

  Result<FeatureCall> call(const YamlNode& node, bool is_fallback) const {
    static constexpr std::string_view k_keys[] = {"name",          "price",
                                                  "times",         "units",
                                                  "conversation",  "seconds",
                                                  "setup_seconds", "keep_warm_seconds",
                                                  "instances",     "requests_per_hour",
                                                  "retry_rate",    "fallback",
                                                  "share"};
    MRUN_TRY(known(node, is_fallback ? "`fallback`" : "a call", k_keys));
    FeatureCall call;
    call.place = node.place;
    MRUN_ASSIGN(call.name, text(node, "name"));
    MRUN_ASSIGN(call.price, price(node));
    MRUN_TRY(amounts(node, call));
    MRUN_TRY(deployment(node, call));
    MRUN_ASSIGN(const std::optional<Expected> times, optional_range(node, "times"));
    if (times) call.times = *times;
    MRUN_ASSIGN(const std::optional<Expected> retries, optional_range(node, "retry_rate"));
    if (retries) call.retry_rate = *retries;
    if (is_fallback != (node.find("share") != nullptr))
      return refuse(node, is_fallback ? "`fallback` needs a `share` of the calls that go to it"
                                      : "`share` belongs into a `fallback`");
    if (const YamlNode* fallback = node.find("fallback"))
      MRUN_TRY(add_fallback(*fallback, is_fallback, call));
    return call;
  }

  Result<void> add_fallback(const YamlNode& node, bool is_fallback, FeatureCall& call) const {
    if (is_fallback) return refuse(node, "a fallback has no fallback of its own");
    MRUN_ASSIGN(FeatureCall other, this->call(node, true));
    MRUN_ASSIGN(call.fallback_share, range(*node.find("share"), "share"));
    if (call.fallback_share.worst > 1) return refuse(*node.find("share"), "`share` is more than 1");
    call.fallback.push_back(std::move(other));
    return {};
  }

  Result<void> amounts(const YamlNode& node, FeatureCall& call) const {
    MRUN_ASSIGN(call.work.seconds, optional_range(node, "seconds"));
    if (const YamlNode* units = node.find("units")) {
      if (units->kind != YamlNode::Kind::map) return refuse(*units, "`units` is not a map of keys");
      for (std::size_t i = 0; i < units->keys.size(); ++i) {
        const std::string& name = units->keys[i].text;
        if (!is_cost_unit(name))
          return fail_at(
              m_file_name, units->keys[i].place, ErrorCode::cost_feature,
              fmt::format("there is no unit `{}`", printable(name, 60)),
              "units are image, megapixel, video_s, request, input_tokens, cached_tokens, output_tokens");
        MRUN_ASSIGN(const Expected value, range(units->items[i], name));
        set_unit(call.work.units, name, value);
      }
    }
    if (const YamlNode* talk = node.find("conversation")) {
      if (!named_units(call.work.units).empty())
        return refuse(*talk, "a call has `units` or a `conversation`, not both");
      MRUN_ASSIGN(call.conversation, conversation(*talk));
    }
    return {};
  }

  Result<ConversationShape> conversation(const YamlNode& node) const {
    static constexpr std::string_view k_keys[] = {"turns",        "system_tokens", "user_tokens",
                                                  "reply_tokens", "window_tokens", "cached"};
    MRUN_TRY(known(node, "`conversation`", k_keys));
    for (const std::string_view key : {"turns", "user_tokens", "reply_tokens"})
      if (node.find(key) == nullptr) return refuse(node, fmt::format("`conversation` has no `{}`", key));
    ConversationShape shape;
    MRUN_ASSIGN(shape.turns, range(*node.find("turns"), "turns"));
    MRUN_ASSIGN(shape.user, range(*node.find("user_tokens"), "user_tokens"));
    MRUN_ASSIGN(shape.reply, range(*node.find("reply_tokens"), "reply_tokens"));
    MRUN_ASSIGN(const std::optional<Expected> system, optional_range(node, "system_tokens"));
    shape.system = system.value_or(Expected{0, 0});
    MRUN_ASSIGN(shape.window, optional_number(node, "window_tokens"));
    for (const Exact& turns : {shape.turns.typical, shape.turns.worst})
      if (turns < 1 || turns > k_max_turns || boost::multiprecision::denominator(turns) != 1)
        return refuse(*node.find("turns"), "`turns` is not a whole number from 1 to 10,000");
    if (const YamlNode* cached = node.find("cached")) {
      if (cached->text != "true" && cached->text != "false")
        return refuse(*cached, "`cached` is neither true nor false");
      shape.cached = cached->text == "true";
    }
    return shape;
  }

  Result<void> deployment(const YamlNode& node, FeatureCall& call) const {
    MRUN_ASSIGN(call.setup_s, optional_range(node, "setup_seconds"));
    MRUN_ASSIGN(call.keep_warm_s, optional_number(node, "keep_warm_seconds"));
    // Few requests are the dear case of an instance that is always on.
    MRUN_ASSIGN(call.per_hour, optional_range(node, "requests_per_hour", true));
    if (call.per_hour && (call.per_hour->typical == 0 || call.per_hour->worst == 0))
      return refuse(*node.find("requests_per_hour"), "`requests_per_hour` is 0");
    MRUN_ASSIGN(const std::optional<Exact> instances, optional_number(node, "instances"));
    call.instances = instances.value_or(Exact(0));
    if (boost::multiprecision::denominator(call.instances) != 1)
      return refuse(*node.find("instances"), "`instances` is not a whole number");
    return {};
  }

  Result<PriceChoice> price(const YamlNode& call) const {
    const YamlNode* node = call.find("price");
    if (node == nullptr) return refuse(call, "`price` is missing");
    PriceChoice choice;
    choice.place = node->place;
    if (node->kind == YamlNode::Kind::scalar && node->text == "own") {
      choice.kind = PriceChoice::Kind::own;
      return choice;
    }
    if (node->kind != YamlNode::Kind::map)
      return refuse(*node, "`price` is neither `own` nor a map",
                    "write price: {provider: NAME, sku: PRODUCT}, as `mrun prices ls` has them");
    if (node->find("usd") != nullptr) return price_here(*node);
    MRUN_ASSIGN(choice.provider, text(*node, "provider"));
    MRUN_ASSIGN(choice.sku, text(*node, "sku"));
    for (std::size_t i = 0; i < node->keys.size(); ++i) {
      if (node->keys[i].text == "provider" || node->keys[i].text == "sku") continue;
      MRUN_ASSIGN(choice.dims[node->keys[i].text], text(*node, node->keys[i].text));
    }
    return choice;
  }

  // A price of the user's, checked as a row of a price book is.
  Result<PriceChoice> price_here(const YamlNode& node) const {
    static constexpr std::string_view k_keys[] = {"usd", "per", "source", "read_on"};
    static constexpr std::string_view k_units[] = {"image", "megapixel", "video_s", "request"};
    MRUN_TRY(known(node, "`price`", k_keys));
    PriceChoice choice;
    choice.kind = PriceChoice::Kind::here;
    choice.place = node.place;
    PriceRow& row = choice.here;
    MRUN_ASSIGN(row.per, text(node, "per"));
    if (std::find(std::begin(k_units), std::end(k_units), row.per) == std::end(k_units))
      return refuse(*node.find("per"), "`per` is not image, megapixel, video_s or request",
                    "other prices: `mrun prices import FILE`");
    MRUN_ASSIGN(row.source, text(node, "source"));
    MRUN_ASSIGN(row.read_on, text(node, "read_on"));
    if (!is_price_date(row.read_on))
      return refuse(*node.find("read_on"),
                    fmt::format("`read_on` '{}' is not a date", printable(row.read_on, 40)),
                    "write the day on which you read the price, as 2026-11-24");
    MRUN_ASSIGN(row.rate, usd(node));
    row.provider = "this file";
    row.sku = row.per;
    row.kind = row.per;
    row.origin = PriceOrigin::own;
    return choice;
  }

  Result<Money> usd(const YamlNode& node) const {
    MRUN_ASSIGN(const std::string said, text(node, "usd"));
    Result<Money> rate = Money::parse(said, ErrorCode::cost_feature);
    if (!rate) return refuse(*node.find("usd"), rate.error().message, rate.error().hint);
    if (*rate == Money())
      return refuse(*node.find("usd"), "`usd` is 0: an unknown price must not be free",
                    "leave the call out when it costs nothing");
    return rate;
  }

  std::string_view m_file_name;
};

} // namespace

Result<Feature> parse_feature(std::string_view text, std::string_view file_name) {
  MRUN_ASSIGN(
      const YamlNode root,
      parse_yaml(text, file_name, {.syntax = ErrorCode::cost_feature, .limit = ErrorCode::cost_feature}));
  return FeatureReader(file_name).read(root);
}

Result<Feature> load_feature(const std::string& path) {
  MRUN_ASSIGN(const std::string text,
              read_file(path, k_max_feature_bytes, ErrorCode::io, ErrorCode::cost_feature));
  return parse_feature(text, printable(path));
}

} // namespace mrun
