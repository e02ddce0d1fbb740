// mrun prices ls and show.
#include <fmt/format.h>

#include "cli/cost/books.h"
#include "cli/cost/dispatch.h"
#include "cli/render/json_text.h"
#include "cli/render/table.h"
#include "common/text.h"

namespace mrun::cli {
namespace {

std::vector<std::string> words_of(const Arguments& arguments) {
  return {arguments.positionals().begin() + 1, arguments.positionals().end()};
}

std::string states_words(const PriceRow& row) {
  if (row.states.empty()) return "the source does not say";
  std::string billed, free;
  for (const auto& [name, is_billed] : row.states) {
    std::string& list = is_billed ? billed : free;
    list += (list.empty() ? "" : ", ") + name;
  }
  return fmt::format("{}; not billed: {}", billed.empty() ? "nothing" : billed, free.empty() ? "–" : free);
}

std::string granularity_words(const PriceRow& row) {
  return row.granularity_ns ? Money::from_pico(*row.granularity_ns * 1000).text() + " s" : "unknown";
}

std::string row_text(const PriceRow& row) {
  std::string text =
      fmt::format("{}\n  price        {} USD per {}\n", price_name(row), row.rate.text(), row.per);
  if (const std::optional<Money> hourly = hourly_rate(row); hourly && *hourly != row.rate)
    text += fmt::format("  an hour      {} USD\n", hourly->text());
  if (!dims_words(row).empty()) text += fmt::format("  of           {}\n", dims_words(row));
  if (seconds_of_unit(row.per))
    text += fmt::format("  billed       {}\n  rounded to   {}\n", states_words(row), granularity_words(row));
  text += fmt::format("  read on      {} ({}), confidence {}, {}\n  source       {}\n", row.read_on,
                      age_words(row.read_on), printable(row.confidence, 10), price_origin_name(row.origin),
                      printable(row.source, 300));
  if (!row.evidence.empty()) text += fmt::format("  it says      {}\n", printable(row.evidence, 300));
  return text;
}

Result<void> print_rows(const Context& context, const PriceBook& book,
                        const std::vector<const PriceRow*>& rows) {
  Json list = Json::array();
  for (const PriceRow* row : rows)
    list.push_back(price_json(*row));
  return print_json(
      context.terminal,
      {{"schema", "mrun.prices/v1"}, {"rows", list}, {"refused_row_count", book.refused.size()}});
}

tl::unexpected<Error> none_such(const PriceBook& book, const std::vector<std::string>& words) {
  std::vector<std::string> names;
  for (const PriceRow& row : book.rows) {
    names.push_back(row.provider);
    names.push_back(row.sku);
  }
  const std::string near = words.empty() ? "" : nearest(words.back(), names);
  return fail(
      ErrorCode::price_unknown,
      fmt::format("no price has the words '{}'", printable(fmt::format("{}", fmt::join(words, " ")), 100)),
      near.empty() ? "" : fmt::format("the nearest is '{}'; `mrun prices ls` has all", near));
}

} // namespace

Result<int> prices_ls(Context& context, const Arguments& arguments) {
  MRUN_ASSIGN(const PriceBook book, load_books(context));
  std::vector<const PriceRow*> rows =
      matching_rows(book, words_of(arguments), arguments.value("per").value_or(""));
  if (!arguments.has("all")) std::erase_if(rows, [](const PriceRow* row) { return is_withdrawn(*row); });
  if (context.json) {
    MRUN_TRY(print_rows(context, book, rows));
    return 0;
  }
  Table table{.header = {"PROVIDER", "PRODUCT", "USD", "PER", "OF", "READ ON", "AGE", "BOOK"},
              .rows = {},
              .right_aligned = {2, 6},
              .shortened = {1, 4}};
  for (const PriceRow* row : rows)
    table.rows.push_back(
        {printable(row->provider, 60), printable(row->sku, 60), row->rate.text(), row->per,
         printable(fmt::format("{} {}", row->dim("product"), dims_words(*row)), 60), row->read_on,
         Cell(fmt::format("{} d", *age_days(row->read_on)), std::to_string(*age_days(row->read_on))),
         std::string(price_origin_name(row->origin))});
  if (table.rows.empty()) return none_such(book, words_of(arguments));
  MRUN_TRY(print_table(context.terminal, table, arguments.has("plain")));
  context.say(fmt::format("{}; sources and billed states: `mrun prices show WORD…`",
                          count_words(table.rows.size(), "price")));
  return 0;
}

Result<int> prices_show(Context& context, const Arguments& arguments) {
  if (words_of(arguments).empty())
    return fail(ErrorCode::usage, "`mrun prices show` needs words of a price",
                "as `mrun prices show replicate t4`");
  MRUN_ASSIGN(const PriceBook book, load_books(context));
  const std::vector<const PriceRow*> rows =
      matching_rows(book, words_of(arguments), arguments.value("per").value_or(""));
  if (rows.empty()) return none_such(book, words_of(arguments));
  if (context.json) {
    MRUN_TRY(print_rows(context, book, rows));
    return 0;
  }
  std::string text;
  for (const PriceRow* row : rows)
    text += (text.empty() ? "" : "\n") + row_text(*row);
  MRUN_TRY(context.terminal.out(text));
  return 0;
}

} // namespace mrun::cli
