// The price book, and amounts of money.
#include "cost/price_book.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_row(const PriceRow& row) {
  MRUN_CHECK(row.rate > Money() && !row.source.empty() && row.read_on.size() == 10);
  MRUN_CHECK(!row.granularity_ns || *row.granularity_ns > 0);
  const auto again = Money::parse(row.rate.text(), ErrorCode::config_invalid);
  MRUN_CHECK(again.has_value() && *again == row.rate);
}

void check_money(std::string_view text) {
  const auto money = Money::parse(text, ErrorCode::config_invalid);
  if (!money) return fuzz::check_error(money.error());
  MRUN_CHECK(*money >= Money() && Money::parse(money->text(), ErrorCode::config_invalid) == *money);
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::text_of(data, size);
  check_money(text);
  const auto book = PriceBook::parse(text);
  if (!book) {
    fuzz::check_error(book.error());
    return 0;
  }
  for (const PriceRow& row : book->rows) {
    check_row(row);
    MRUN_CHECK(book->find(row.provider, row.sku, row.dim("product")) != nullptr);
  }
  for (const RefusedRow& refused : book->refused)
    fuzz::check_shown(refused.reason);
  return 0;
}
