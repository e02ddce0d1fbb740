#include "cost/price_rules.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

using Severity = PriceFinding::Severity;

// One spelling of a name: "nvidia-a100-80gb" and "NVIDIA A100 80GB" are the same product.
std::string folded(std::string_view name) {
  std::string text;
  for (const char c : lower_ascii(name)) {
    const bool is_part = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z');
    if (is_part) text += c;
    if (!is_part && !text.empty() && text.back() != ' ') text += ' ';
  }
  if (text.ends_with(' ')) text.pop_back();
  return text;
}

struct Scope {
  const PriceRules& rules;
  const std::vector<PriceRow>& known;
  std::string_view today;
  std::vector<PriceFinding>& findings;
  std::vector<std::string> known_keys = {}, known_skus = {}; // folded, by place in `known`

  void add(const PriceRow& row, Severity severity, const char* rule, std::string message) const {
    findings.push_back({severity, rule, row.place, price_name(row), std::move(message)});
  }
};

bool is_apart(Money a, Money b, std::int64_t ratio) {
  const auto lower = std::min(a, b), higher = std::max(a, b);
  const Result<Money> limit = lower.times(ratio, 1);
  return limit && higher >= *limit;
}

bool same_rates(const PriceRow& a, const PriceRow& b) {
  return a.rate == b.rate;
}

// Trap 1: a price of one thing in the unit of another.
void check_kind(const Scope& scope, const PriceRow& row) {
  const auto kind = scope.rules.kinds.find(row.kind);
  if (kind == scope.rules.kinds.end()) return;
  const std::vector<std::string>& units = kind->second;
  if (std::find(units.begin(), units.end(), row.per) == units.end())
    scope.add(row, Severity::refused, "kind_unit",
              units.empty() ? fmt::format("there is no unit for prices of kind {}", row.kind)
                            : fmt::format("a price of kind {} is per {}, not per {}", row.kind,
                                          fmt::join(units, " or "), row.per));
}

// Trap 1: cents taken for dollars, dollars for cents, per second for per hour.
void check_band(const Scope& scope, const PriceRow& row) {
  const auto band = scope.rules.bands.find(row.per);
  if (band == scope.rules.bands.end()) return;
  if (row.rate >= band->second.least && row.rate <= band->second.most) return;
  scope.add(row, Severity::refused, "unit_band",
            fmt::format(
                "{} USD per {} is outside of {} to {}: are cents taken for dollars, or an hour for a second?",
                row.rate.text(), row.per, band->second.least.text(), band->second.most.text()));
}

// The units of pictures: an image has some megapixels, not dozens.
bool is_of_pictures(const PriceRow& row) {
  return row.per == "image" || row.per == "megapixel";
}

// Trap 1 over units that compare: cents for dollars, where the book has the model by the megapixel.
void check_picture_slip(const Scope& scope, const PriceRow& row) {
  if (!is_of_pictures(row)) return;
  const std::string sku = folded(row.sku);
  for (std::size_t i = 0; i < scope.known.size(); ++i) {
    const PriceRow& other = scope.known[i];
    if (other.provider != row.provider || scope.known_skus[i] != sku || !is_of_pictures(other) ||
        other.per == row.per || !is_apart(row.rate, other.rate, scope.rules.slip_ratio))
      continue;
    scope.add(row, Severity::warning, "unit_slip",
              fmt::format("{} per {} is {} times or more away from {} per {}: are cents taken for dollars?",
                          row.rate.text(), row.per, scope.rules.slip_ratio, other.rate.text(), other.per));
    return;
  }
}

// Trap 1, inside the band: the same price moved by a factor that only a unit explains.
void check_slip(const Scope& scope, const PriceRow& row) {
  const std::string key = folded(row.key());
  for (std::size_t i = 0; i < scope.known.size(); ++i) {
    const PriceRow& other = scope.known[i];
    if (scope.known_keys[i] != key || !is_apart(row.rate, other.rate, scope.rules.slip_ratio)) continue;
    scope.add(row, Severity::refused, "unit_slip",
              fmt::format("{} is {} times or more away from {} of {}: are cents taken for dollars?",
                          row.rate.text(), scope.rules.slip_ratio, other.rate.text(), other.read_on));
    return;
  }
}

const PriceRules::Gpu* gpu_of(const PriceRules& rules, const PriceRow& row) {
  const std::string names = row.sku + " " + std::string(row.dim("gpu"));
  const PriceRules::Gpu* found = nullptr;
  for (const PriceRules::Gpu& gpu : rules.gpus)
    for (const std::string& word : gpu.words)
      if (has_word(names, word)) {
        if (found != nullptr && found != &gpu) return nullptr; // a row for several devices
        found = &gpu;
      }
  return found;
}

// What one of its devices costs an hour; of a price without a device its rate as it is.
std::optional<Money> device_hour(const PriceRow& row) {
  const std::optional<Money> hourly = hourly_rate(row);
  if (!hourly) return std::nullopt;
  const std::int64_t count = row.per.starts_with("gpu_") ? 1 : device_count(row).value_or(1);
  const Result<Money> one = hourly->times(1, std::max<std::int64_t>(1, count));
  return one ? std::optional(*one) : std::nullopt;
}

// The variants of an ambiguous name that the row gives: 40GB or 80GB of an A100.
std::vector<std::string> variants_of(const PriceRules& rules, const PriceRow& row) {
  std::string names = folded(fmt::format("{} {} {}", row.sku, row.dim("gpu"), row.dim("memory_gb")));
  if (!row.dim("memory_gb").empty()) names += "gb";
  std::erase(names, ' '); // "80 GB" is 80GB
  std::vector<std::string> found;
  for (const PriceRules::Ambiguous& product : rules.ambiguous)
    if (has_word(row.sku + " " + std::string(row.dim("gpu")), product.word))
      for (const std::string& variant : product.variants)
        if (names.find(lower_ascii(variant)) != std::string::npos) found.push_back(variant);
  return found;
}

// The same device, however the rows spell it and by whatever unit they charge; not an A100 of 40GB and one of
// 80GB.
bool is_same_device(const PriceRules& rules, const PriceRow& a, const PriceRow& b) {
  if (gpu_of(rules, a) != gpu_of(rules, b)) return false;
  const std::vector<std::string> one = variants_of(rules, a), other = variants_of(rules, b);
  return one.empty() || other.empty() ||
         std::find_first_of(one.begin(), one.end(), other.begin(), other.end()) != one.end();
}

// Trap 2: a figure under the name of the product beside it: of a device whatever the unit, of another thing
// by the same one.
void check_swap(const Scope& scope, const PriceRow& row) {
  const bool is_device = gpu_of(scope.rules, row) != nullptr && device_hour(row);
  const auto is_sibling = [&](const PriceRow& other) {
    if (other.provider != row.provider) return false;
    if (is_device) return gpu_of(scope.rules, other) != nullptr && device_hour(other).has_value();
    return other.per == row.per && other.kind == row.kind && other.dim("product") == row.dim("product");
  };
  const std::string sku = folded(row.sku);
  const PriceRow* other_product = nullptr;
  bool known_otherwise = false, known_alike = false;
  for (std::size_t i = 0; i < scope.known.size(); ++i) {
    const PriceRow& other = scope.known[i];
    if (!is_sibling(other)) continue;
    const bool is_alike = is_device ? device_hour(other) == device_hour(row) : same_rates(other, row);
    if (scope.known_skus[i] == sku || (is_device && is_same_device(scope.rules, row, other)))
      (is_alike ? known_alike : known_otherwise) = true;
    else if (is_alike)
      other_product = &other;
  }
  if (other_product != nullptr && known_otherwise && !known_alike)
    scope.add(row, Severity::refused, "sku_swap",
              fmt::format("{} is the rate of {}, not of {}", row.rate.text(), other_product->sku, row.sku));
}

// Traps 1, 2 and 9: the hourly price of one device is not what such a device costs; a node's price as a
// device's.
void check_gpu(const Scope& scope, const PriceRow& row) {
  const std::optional<Money> hourly = hourly_rate(row);
  const PriceRules::Gpu* gpu = gpu_of(scope.rules, row);
  if (!hourly || gpu == nullptr) return;
  const bool per_device = row.per.starts_with("gpu_");
  const std::int64_t count = per_device ? 1 : std::max<std::int64_t>(1, device_count(row).value_or(1));
  const Result<Money> one = hourly->times(1, count);
  if (!one || (*one >= gpu->usd_h.least && *one <= gpu->usd_h.most)) return;
  const Result<Money> eighth = hourly->times(1, 8);
  const bool is_node = count == 1 && eighth && *eighth >= gpu->usd_h.least && *eighth <= gpu->usd_h.most;
  scope.add(row, Severity::refused, is_node ? "node_price" : "gpu_band",
            fmt::format("{} USD an hour for one {} is outside of {} to {}{}", one->text(), gpu->words.front(),
                        gpu->usd_h.least.text(), gpu->usd_h.most.text(),
                        is_node ? ": is it the price of a node of 8? then give `gpu_count`" : ""));
}

// Trap 9: a virtual machine's price without the number of its devices.
void check_count(const Scope& scope, const PriceRow& row) {
  if (row.per.starts_with("instance_") && !device_count(row))
    scope.add(
        row, Severity::warning, "node_unknown",
        "the price is of an instance, and the row does not say how many devices that has (`gpu_count`)");
}

// Trap 5: one name, several products.
void check_name(const Scope& scope, const PriceRow& row) {
  if (!seconds_of_unit(row.per)) return;
  const std::string names = row.sku + " " + std::string(row.dim("gpu"));
  for (const PriceRules::Ambiguous& product : scope.rules.ambiguous) {
    if (!has_word(names, product.word)) continue;
    const auto named = [&](const std::string& variant) {
      std::string joined = folded(names); // "80 GB" is 80GB
      std::erase(joined, ' ');
      return joined.find(lower_ascii(variant)) != std::string::npos;
    };
    if (std::none_of(product.variants.begin(), product.variants.end(), named))
      scope.add(row, Severity::warning, "ambiguous_sku",
                fmt::format("\"{}\" has several prices, and the row does not say which it is ({})",
                            product.word, fmt::join(product.variants, ", ")));
  }
}

// Trap 6: the price of an advertisement beside that of the list.
void check_marketing(const Scope& scope, const PriceRow& row) {
  const std::string said = lower_ascii(row.source + " " + row.evidence);
  const std::string_view type = row.dim("price_type");
  for (const std::string& words : scope.rules.marketing_words)
    if (said.find(words) != std::string::npos && type.empty()) {
      scope.add(
          row, Severity::refused, "marketing_price",
          fmt::format("its source says \"{}\": it is no list price; say so by `price_type: from`", words));
      return;
    }
  if (type == "from" || type == "low")
    scope.add(row, Severity::warning, "marketing_price",
              "it is the lowest price of an offer, not the list price");
}

// Whether a text holds that number, whole: "$0.50" is 0.5, "10.5" and "0.55" are not.
bool has_figure(std::string_view text, Money figure) {
  constexpr std::string_view k_figures = "0123456789.";
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = text.find_first_of(k_figures, at);
    if (begin == std::string_view::npos) return false;
    const std::size_t end = std::min(text.find_first_not_of(k_figures, begin), text.size());
    std::string_view number = text.substr(begin, end - begin);
    while (number.ends_with('.')) // the end of a sentence
      number.remove_suffix(1);
    const Result<Money> value = Money::parse(number, ErrorCode::price_file);
    if (value && *value == figure) return true;
    at = end;
  }
  return false;
}

// Trap 7: pages that give wrong figures on purpose.
void check_source(const Scope& scope, const PriceRow& row) {
  for (const std::string& page : scope.rules.trap_sources)
    if (lower_ascii(row.source).find(page) != std::string::npos)
      scope.add(row, Severity::refused, "trap_source",
                fmt::format("{} gives scrambled figures to programs that collect prices", page));
  if (!row.evidence.empty() && !has_figure(row.evidence, row.rate))
    scope.add(row, Severity::refused, "not_in_evidence",
              fmt::format("its evidence does not hold the figure {}", row.rate.text()));
}

// Trap 8: "per second" that is rounded to something else.
void check_granularity(const Scope& scope, const PriceRow& row) {
  if (!seconds_of_unit(row.per)) return;
  if (!row.granularity_ns) {
    scope.add(row, Severity::warning, "granularity_unknown",
              "the row does not say what billed time is rounded up to: sums are exact, bills may be higher");
  } else if (std::find(scope.rules.granularities_ns.begin(), scope.rules.granularities_ns.end(),
                       *row.granularity_ns) == scope.rules.granularities_ns.end()) {
    scope.add(
        row, Severity::warning, "granularity_odd",
        fmt::format("nobody is known to round to {} s", Money::from_pico(*row.granularity_ns * 1000).text()));
  }
}

void check_date(const Scope& scope, const PriceRow& row) {
  if (row.read_on > scope.today)
    scope.add(row, Severity::refused, "future_date",
              fmt::format("it was read on {}, today is {}", row.read_on, scope.today));
}

// The list of rules: a new trap is a function and a line here.
constexpr void (*k_rules[])(const Scope&, const PriceRow&) = {
    check_kind,  check_band, check_slip,      check_picture_slip, check_swap,        check_gpu,
    check_count, check_name, check_marketing, check_source,       check_granularity, check_date};

} // namespace

std::vector<PriceFinding> check_prices(const PriceRules& rules, const std::vector<PriceRow>& book,
                                       const std::vector<PriceRow>& known, std::string_view today) {
  std::vector<PriceFinding> findings;
  Scope scope{rules, known, today, findings};
  for (const PriceRow& row : known) {
    scope.known_keys.push_back(folded(row.key()));
    scope.known_skus.push_back(folded(row.sku));
  }
  std::map<std::string, const PriceRow*> seen;
  for (const PriceRow& row : book) {
    for (const auto rule : k_rules)
      rule(scope, row);
    const auto [first, is_new] = seen.emplace(folded(row.key()) + "\n" + row.read_on, &row);
    if (!is_new && !same_rates(*first->second, row))
      scope.add(row, Severity::refused, "conflict",
                fmt::format("{} and, at {}, {} on the same day", row.rate.text(), first->second->place,
                            first->second->rate.text()));
  }
  return findings;
}

std::string price_name(const PriceRow& row) {
  const std::string_view product = row.dim("product");
  return fmt::format("{} {}{}, per {}", printable(row.provider, 60), printable(row.sku, 80),
                     product.empty() ? "" : fmt::format(" ({})", printable(product, 40)), row.per);
}

bool has_word(std::string_view name, std::string_view word) {
  const std::string text = lower_ascii(name), wanted = lower_ascii(word);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const auto is_part = [&](char c) { return is_digit(c) || (c >= 'a' && c <= 'z'); };
  // "8x" before it, "x8" after it.
  const auto begins = [&](std::size_t at) {
    if (at > 1 && text[at - 1] == 'x' && is_digit(text[at - 2]))
      for (--at; at > 0 && is_digit(text[at - 1]);)
        --at;
    return at == 0 || !is_part(text[at - 1]);
  };
  const auto ends = [&](std::size_t at) {
    if (at + 1 < text.size() && text[at] == 'x' && is_digit(text[at + 1]))
      for (++at; at < text.size() && is_digit(text[at]);)
        ++at;
    return at == text.size() || !is_part(text[at]);
  };
  for (std::size_t at = text.find(wanted); at != std::string::npos; at = text.find(wanted, at + 1))
    if (begins(at) && ends(at + wanted.size())) return true;
  return false;
}

std::optional<Money> hourly_rate(const PriceRow& row) {
  const std::optional<std::int64_t> unit_s = seconds_of_unit(row.per);
  if (!unit_s) return std::nullopt;
  const Result<Money> hourly = row.rate.times(3600, *unit_s);
  return hourly ? std::optional(*hourly) : std::nullopt;
}

std::optional<std::int64_t> device_count(const PriceRow& row) {
  for (const char* key : {"gpu_count", "accelerator_count"}) {
    const std::string_view text = row.dim(key);
    std::int64_t count = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
    if (error == std::errc() && end == text.data() + text.size() && count >= 0 && count <= 1024) return count;
  }
  for (const char* key : {"cpu_count", "vcpu_count"})
    if (!row.dim(key).empty()) return 0;
  return std::nullopt;
}

} // namespace mrun
