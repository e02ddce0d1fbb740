// What the rules say of a book, as verify, import and update show it.
#pragma once

#include <string>
#include <vector>

#include "common/json.h"
#include "cost/price_rules.h"

namespace mrun::cli {

struct PriceCheck {
  std::size_t row_count = 0;
  std::string path;                   // of the file, or ""
  std::vector<RefusedRow> unreadable; // rows that are no price
  std::vector<PriceFinding> findings;
};

PriceCheck check_book(const PriceRules& rules, const PriceBook& book, const PriceBook& known,
                      const std::string& path);
Json check_json(const PriceCheck& check);
std::string check_text(const PriceCheck& check);
// Error price_file with the first fault and how many there are. `strict`: a warning is a fault; `whole`: a
// row that is no price is.
Result<void> pass_check(const PriceCheck& check, bool strict, bool whole);

} // namespace mrun::cli
