// feature.yaml: what one user action calls, how often, with how much (docs/formats/cost.md, "feature.yaml").
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cost/estimate.h"
#include "packager/yaml_tree.h"

namespace mrun {

// How a price is named: a row of the book by provider, product and dimensions; one that stands in the file;
// or the user's own machine.
struct PriceChoice {
  enum class Kind { book, here, own };
  Kind kind = Kind::book;
  std::string provider, sku;
  std::map<std::string, std::string> dims; // must hold
  PriceRow here;
  YamlPlace place;
};

struct ConversationShape {
  Expected turns, system, user, reply;
  std::optional<Exact> window;
  bool cached = false;
};

struct FeatureCall {
  std::string name;
  PriceChoice price;
  Exact price_factor = 1; // of a sensitivity
  Expected times{1, 1};   // per action
  CaseWork work;
  std::optional<ConversationShape> conversation;
  std::optional<Expected> setup_s;
  std::optional<Expected> per_hour; // absent: by the actions of a month; the worst may be the fewer
  std::optional<Exact> keep_warm_s;
  Exact instances = 0;
  Expected retry_rate{0, 0}; // of a fallback: on top of that of the call it is for
  Expected fallback_share{0, 0};
  std::vector<FeatureCall> fallback; // zero or one
  YamlPlace place;
};

// How much of it there is.
struct Volume {
  std::optional<Expected> actions_per_month;
  Exact spike_factor = 1, spike_days = 0; // of a month of 30 days
};

struct Feature {
  std::string name, description;
  std::vector<FeatureCall> calls;
  Volume volume;
  std::optional<Exact> budget_action, budget_month;
};

// Unknown keys (with the nearest), missing and senseless values, more than 64 calls: error cost_feature,
// `feature.yaml:3:5: …`.
Result<Feature> parse_feature(std::string_view text, std::string_view file_name);
Result<Feature> load_feature(const std::string& path);

} // namespace mrun
