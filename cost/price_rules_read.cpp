// price_rules.json as types.
#include <fmt/format.h>

#include "common/fd.h"
#include "common/json.h"
#include "common/text.h"
#include "cost/price_rules.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_rules_bytes = 1 * k_mib;

tl::unexpected<Error> not_valid(std::string_view what) {
  return fail(ErrorCode::price_file, fmt::format("the price rules: `{}` is not valid", what));
}

Result<PriceBand> read_band(const Json& value, std::string_view what) {
  if (!value.is_array() || value.size() != 2 || !value[0].is_string() || !value[1].is_string())
    return not_valid(what);
  PriceBand band;
  MRUN_ASSIGN(band.least, Money::parse(value[0].get_ref<const std::string&>(), ErrorCode::price_file));
  MRUN_ASSIGN(band.most, Money::parse(value[1].get_ref<const std::string&>(), ErrorCode::price_file));
  if (band.most < band.least) return not_valid(what);
  return band;
}

Result<std::vector<std::string>> read_texts(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  if (found == object.end() || !found->is_array()) return not_valid(key);
  std::vector<std::string> texts;
  for (const Json& text : *found) {
    if (!text.is_string()) return not_valid(key);
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

Result<void> read_products(const Json& root, PriceRules& rules) {
  for (const Json& gpu : root.value("gpus", Json::array())) {
    PriceRules::Gpu read;
    MRUN_ASSIGN(read.words, read_texts(gpu, "words"));
    if (read.words.empty()) return not_valid("words");
    MRUN_ASSIGN(read.usd_h, read_band(gpu.value("usd_h", Json()), "usd_h"));
    rules.gpus.push_back(std::move(read));
  }
  for (const Json& product : root.value("ambiguous", Json::array())) {
    PriceRules::Ambiguous read;
    MRUN_ASSIGN(read.variants, read_texts(product, "variants"));
    MRUN_ASSIGN(read.word, need_string(product, "word", ErrorCode::price_file, "the price rules"));
    rules.ambiguous.push_back(std::move(read));
  }
  return {};
}

} // namespace

Result<PriceRules> PriceRules::parse(std::string_view text) {
  MRUN_ASSIGN(const Json root, parse_json(text, ErrorCode::price_file, "the price rules"));
  if (!root.is_object() || !root.value("bands", Json()).is_object()) return not_valid("bands");
  PriceRules rules;
  for (const auto& [unit, band] : root["bands"].items()) {
    MRUN_ASSIGN(rules.bands[unit], read_band(band, unit));
  }
  if (!root.value("kinds", Json()).is_object()) return not_valid("kinds");
  for (const auto& [kind, units] : root["kinds"].items()) {
    MRUN_ASSIGN(rules.kinds[kind], read_texts(root["kinds"], kind.c_str()));
  }
  MRUN_TRY(read_products(root, rules));
  MRUN_ASSIGN(rules.marketing_words, read_texts(root, "marketing_words"));
  MRUN_ASSIGN(rules.trap_sources, read_texts(root, "trap_sources"));
  MRUN_ASSIGN(const std::vector<std::string> steps, read_texts(root, "granularities_s"));
  for (const std::string& step : steps) {
    MRUN_ASSIGN(const Money seconds, Money::parse(step, ErrorCode::price_file));
    rules.granularities_ns.push_back(seconds.pico() / 1000);
  }
  MRUN_ASSIGN(const std::string ratio,
              need_string(root, "slip_ratio", ErrorCode::price_file, "the price rules"));
  MRUN_ASSIGN(const Money slip, Money::parse(ratio, ErrorCode::price_file));
  rules.slip_ratio = slip.pico() / 1'000'000'000'000;
  if (rules.slip_ratio < 2) return not_valid("slip_ratio");
  return rules;
}

Result<PriceRules> PriceRules::load(const std::string& path) {
  MRUN_ASSIGN(const std::string text,
              read_file(path, k_max_rules_bytes, ErrorCode::io, ErrorCode::price_file));
  return parse(text);
}

} // namespace mrun
