// What is wrong with a price, before anybody counts with it: units that slipped, products that were mixed up,
// figures from a bait page. Each rule is a trap that real price data fell into (docs/formats/cost.md,
// "Traps").
//
// Bands, names and bait pages are data (share/mrun/price_rules.json); the code knows no provider and no
// device.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cost/price_book.h"

namespace mrun {

struct PriceBand {
  Money least, most;
};

struct PriceRules {
  struct Gpu {
    std::vector<std::string> words; // as they stand in a product's name
    PriceBand usd_h;                // of one
  };
  struct Ambiguous {
    std::string word;
    std::vector<std::string> variants; // that have prices of their own
  };
  std::map<std::string, PriceBand> bands;                // of each unit
  std::map<std::string, std::vector<std::string>> kinds; // the units that each kind of price can have
  std::vector<Gpu> gpus;
  std::vector<Ambiguous> ambiguous;
  std::vector<std::string> marketing_words, trap_sources;
  std::vector<std::int64_t> granularities_ns;
  std::int64_t slip_ratio = 20; // a price that moved that far in one step is a slip of the unit

  // Error price_file.
  static Result<PriceRules> parse(std::string_view text);
  static Result<PriceRules> load(const std::string& path);
};

struct PriceFinding {
  enum class Severity { warning, refused };
  Severity severity = Severity::warning;
  std::string rule;  // unit_band, sku_swap, …
  std::string place; // line:column of the row
  std::string name;  // "replicate T4 16GB, instance_s"
  std::string message;
};

// Checks each row of `book` by every rule; `known` is what was believed before (a row is not compared with
// itself). `today`: YYYY-MM-DD, later dates are refused. In the order of the rows.
std::vector<PriceFinding> check_prices(const PriceRules& rules, const std::vector<PriceRow>& book,
                                       const std::vector<PriceRow>& known, std::string_view today);

// "provider sku (product), per unit".
std::string price_name(const PriceRow& row);
// Whether the product's name has that word, whole, in any case, alone or counted: "A100 80GB",
// "nvidia-a100-80gb", "A100x8" and "8xA100" have A100, "RTX A1000" has not.
bool has_word(std::string_view name, std::string_view word);
// Dollars per hour of one GPU or instance; nullopt for units that are no time.
std::optional<Money> hourly_rate(const PriceRow& row);
// How many devices the row's rate pays for, where it tells: 0 for a CPU.
std::optional<std::int64_t> device_count(const PriceRow& row);

} // namespace mrun
