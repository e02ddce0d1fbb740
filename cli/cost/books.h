// The price books, rules and devices of this installation and this user, and today's date.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "cli/context.h"
#include "cost/devices.h"
#include "cost/price_book.h"
#include "cost/price_rules.h"

namespace mrun::cli {

Result<PriceFiles> price_files(const Context& context);
// All three, laid over each other; a row that was read on a day to come is refused. Errors: io, price_file.
Result<PriceBook> load_books(const Context& context);
Result<PriceRules> load_rules(const Context& context);
Result<std::vector<Device>> load_device_table(const Context& context);

std::string today(); // YYYY-MM-DD, UTC
// Whole days from that date until today. nullopt: it is no date, or one to come by more than the day that
// time zones explain.
std::optional<std::int64_t> age_days(std::string_view date);
bool is_older(std::string_view date, std::int64_t days); // true where the age is not known
Json age_json(std::string_view date);                    // days, or null
std::string age_words(std::string_view date);            // "3 days ago"
// "30d", "30": days. Error flag_value.
Result<std::int64_t> parse_days(std::string_view flag, std::string_view text);

// Whether the figure is older, withdrawn or doubtful by its own words (`status`).
bool is_withdrawn(const PriceRow& row);
// "gpu_count=2 cloud=aws": the dimensions but the product.
std::string dims_words(const PriceRow& row);
// A price as JSON: mrun.prices/v1's rows.
Json price_json(const PriceRow& row);

// Rows whose provider, product and dimensions hold every word (no matter the case); `per` only if given.
std::vector<const PriceRow*> matching_rows(const PriceBook& book, const std::vector<std::string>& words,
                                           const std::string& per);

} // namespace mrun::cli
