// The price books, rules and devices of this installation and this user, and today's date.
#pragma once

#include <string>
#include <vector>

#include "cli/context.h"
#include "cost/devices.h"
#include "cost/price_book.h"
#include "cost/price_rules.h"

namespace mrun::cli {

Result<PriceFiles> price_files(const Context& context);
// All three, laid over each other. Errors: io, price_file.
Result<PriceBook> load_books(const Context& context);
Result<PriceRules> load_rules(const Context& context);
Result<std::vector<Device>> load_device_table(const Context& context);

std::string today(); // YYYY-MM-DD, UTC
// Whole days from that date until today; 0 for a date to come.
std::int64_t age_days(const std::string& date);
// "30d", "30": days. Error flag_value.
Result<std::int64_t> parse_days(std::string_view flag, std::string_view text);

// Whether the figure is older, withdrawn or doubtful by its own words (`status`).
bool is_withdrawn(const PriceRow& row);
// A price as JSON: mrun.prices/v1's rows.
Json price_json(const PriceRow& row);

// Rows whose provider, product and dimensions hold every word (no matter the case); `per` only if given.
std::vector<const PriceRow*> matching_rows(const PriceBook& book, const std::vector<std::string>& words,
                                           const std::string& per);

} // namespace mrun::cli
