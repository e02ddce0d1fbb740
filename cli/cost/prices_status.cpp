// mrun prices status: how old the prices are, and the gate on it.
#include <fmt/format.h>

#include "cli/cost/books.h"
#include "cli/cost/dispatch.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

struct Age {
  std::size_t rows = 0;
  std::string oldest, newest;
  std::size_t too_old = 0;
};

std::map<std::string, Age> ages_of(const PriceBook& book, std::optional<std::int64_t> max_days) {
  std::map<std::string, Age> ages;
  for (const PriceRow& row : book.rows) {
    if (is_withdrawn(row)) continue;
    Age& age = ages[row.provider];
    ++age.rows;
    if (age.oldest.empty() || row.read_on < age.oldest) age.oldest = row.read_on;
    if (row.read_on > age.newest) age.newest = row.read_on;
    if (max_days && is_older(row.read_on, *max_days)) ++age.too_old;
  }
  return ages;
}

Json status_json(const std::map<std::string, Age>& ages, const PriceBook& book) {
  Json providers = Json::array();
  for (const auto& [name, age] : ages)
    providers.push_back({{"provider", name},
                         {"row_count", age.rows},
                         {"oldest", age.oldest},
                         {"newest", age.newest},
                         {"oldest_age_days", age_json(age.oldest)},
                         {"too_old_count", age.too_old}});
  return {{"schema", "mrun.prices_status/v1"},
          {"providers", providers},
          {"refused_row_count", book.refused.size()}};
}

Table status_table(const std::map<std::string, Age>& ages) {
  Table table{.header = {"PROVIDER", "PRICES", "OLDEST", "NEWEST", "AGE OF THE OLDEST"},
              .rows = {},
              .right_aligned = {1, 4}};
  for (const auto& [name, age] : ages)
    table.rows.push_back(
        {printable(name, 60), std::to_string(age.rows), age.oldest, age.newest, age_words(age.oldest)});
  return table;
}

} // namespace

Result<int> prices_status(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const PriceBook book, load_books(context));
  std::optional<std::int64_t> max_days;
  if (const auto text = arguments.value("max-age")) {
    MRUN_ASSIGN(max_days, parse_days("max-age", *text));
  }
  const std::map<std::string, Age> ages = ages_of(book, max_days);
  if (context.json)
    MRUN_TRY(print_json(context.terminal, status_json(ages, book)));
  else
    MRUN_TRY(print_table(context.terminal, status_table(ages), arguments.has("plain")));
  if (!book.refused.empty())
    context.say(fmt::format("{} refused: no date, no source or no unit; `mrun prices verify` lists them",
                            count_words(book.refused.size(), "row")));
  std::size_t too_old = 0;
  for (const auto& [name, age] : ages)
    too_old += age.too_old;
  if (too_old > 0)
    return fail(ErrorCode::prices_stale,
                fmt::format("{} read more than {} days ago",
                            too_old == 1 ? "1 price was" : fmt::format("{} prices were", too_old),
                            *max_days));
  return 0;
}

} // namespace mrun::cli
