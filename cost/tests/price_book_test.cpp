#include <doctest/doctest.h>

#include <fmt/format.h>

#include "cost/price_book.h"

using namespace mrun;

namespace {

constexpr const char* k_good =
    R"({"provider":"replicate","sku":"CPU","kind":"runtime","usd":0.0001,"per":"instance_s","dims":{"product":"public","gpu_count":0},)"
    R"("states":{"queue":0,"active":1,"idle":null},"granularity_s":1,"read_on":"2026-11-18","source":"a page","confidence":"B"})";

// The good row with one text replaced by another.
std::string changed(std::string_view from, std::string_view to) {
  std::string text = k_good;
  const std::size_t at = text.find(from);
  REQUIRE(at != std::string::npos);
  return text.replace(at, from.size(), to);
}

std::string reason(const std::string& row) {
  const Result<PriceBook> book = PriceBook::parse(fmt::format("[{},{}]", row, k_good));
  REQUIRE(book);
  CHECK(book->rows.size() == 1); // the good one still serves
  REQUIRE(book->refused.size() == 1);
  CHECK(book->refused[0].index == 0);
  return book->refused[0].reason;
}

} // namespace

TEST_CASE("a row is read with its rate exactly as written") {
  const Result<PriceBook> book = PriceBook::parse(fmt::format("[{}]", k_good));
  REQUIRE(book);
  REQUIRE(book->rows.size() == 1);
  const PriceRow& row = book->rows[0];
  CHECK(row.rate.text() == "0.0001");
  CHECK(row.dim("product") == "public");
  CHECK(row.dim("gpu_count") == "0");
  CHECK(row.bills("active", false));
  CHECK_FALSE(row.bills("queue", true));
  CHECK(row.bills("idle", true)); // null: unknown
  CHECK_FALSE(row.bills("idle", false));
  CHECK(row.granularity_ns == 1'000'000'000);
  CHECK(book->find("replicate", "CPU", "public") == &row);
  CHECK(book->find("replicate", "CPU", "deployment") == nullptr);
}

TEST_CASE("a rate that a double can't hold stays exact") {
  const Result<PriceBook> book =
      PriceBook::parse(fmt::format("[{}]", changed("0.0001", "1234567.000000000123")));
  REQUIRE(book);
  CHECK(book->rows.at(0).rate.text() == "1234567.000000000123");
}

TEST_CASE("a row that can't be trusted is refused, with its reason") {
  CHECK(reason(changed(R"("per":"instance_s")", R"("per":"instance_fortnight")")) ==
        "unit `instance_fortnight` is not known");
  CHECK(reason(changed(R"("source":"a page")", R"("source":"")")) == "`source` is missing");
  CHECK(reason(changed(R"("source":"a page")", R"("source":null)")) == "`source` is missing");
  CHECK(reason(changed(R"("read_on":"2026-11-18")", R"("read_on":null)")) == "`read_on` is missing");
  for (const char* day : {"2026-02-31", "2026-13-01", "2025-02-29", "2026-1-1", "long ago"})
    CHECK_MESSAGE(reason(changed(R"("read_on":"2026-11-18")", fmt::format(R"("read_on":"{}")", day))) ==
                      fmt::format("`read_on` '{}' is not a date", day),
                  day);
  CHECK(reason(changed("2026-11-18", "2026-13-18")).find("is not a date") != std::string::npos);
  CHECK(reason(changed("2026-11-18", "18.11.2026")).find("is not a date") != std::string::npos);
  CHECK(reason(changed("0.0001", "0")).find("must not be free") != std::string::npos);
  CHECK(reason(changed("0.0001", "-0.0001")).find("is not an amount") != std::string::npos);
  CHECK(reason(changed("0.0001", "\"0.0001\"")) == "`usd` is not a number");
  CHECK(reason(changed("0.0001", "1e-30")).find("12 places") != std::string::npos);
  CHECK(reason(changed(R"("active":1)", R"("active":2)")).find("neither 0, 1 nor null") != std::string::npos);
  CHECK(reason(changed(R"("active")", R"("activ")")) == "state `activ` is not known");
  CHECK(reason(changed(R"("kind":"runtime")", R"("kind":"lunch")")) == "kind `lunch` is not known");
  CHECK(reason(changed(R"("confidence")", R"("confidance")")) == "key `confidance` is not known");
  CHECK(reason(changed(R"("granularity_s":1)", R"("granularity_s":-1)")).find("not an amount") !=
        std::string::npos);
  CHECK(reason(changed(R"("granularity_s":1)", R"("granularity_s":0)")).find("positive") !=
        std::string::npos);
  CHECK(reason(changed(R"("dims":{"product":"public","gpu_count":0})", R"("dims":[1])"))
            .find("`dims` can't be an array") != std::string::npos);
  CHECK(reason(changed(R"("gpu_count":0)", R"("gpu_count":{"a":{}})")).find("can't be an object") !=
        std::string::npos);
  CHECK(reason(changed(R"("gpu_count":0)", R"("gpu_count":{"a":1},"x":2)")).find("can't be an object") !=
        std::string::npos);
  CHECK(reason(changed(R"("sku":"CPU")", R"("sku":[[1]])")).find("can't be an array") != std::string::npos);
  CHECK(reason(changed(R"("sku":"CPU")", R"("sku":"CPU","sku":"T4")")).find("twice") != std::string::npos);
}

TEST_CASE("what is no price book is an error") {
  for (const char* text : {"", "{}", "5", "[5]", "[[]]", "[{]", "[{\"usd\":1}", "\"x\"", "null"}) {
    const Result<PriceBook> book = PriceBook::parse(text);
    CHECK_MESSAGE(!book, text);
    if (!book) CHECK(book.error().code == ErrorCode::price_file);
  }
}

TEST_CASE("the book that ships has the reference rows, each with source and date") {
  const Result<PriceBook> book = PriceBook::load(MRUN_PRICES);
  REQUIRE(book);
  CHECK(book->rows.size() + book->refused.size() == 202);
  CHECK(book->rows.size() > 150);
  for (const RefusedRow& refused : book->refused)
    CHECK_MESSAGE(refused.reason == "`read_on` is missing", refused.index);
  const PriceRow* cpu = book->find("replicate", "CPU 4x 8GB", "public");
  REQUIRE(cpu != nullptr);
  CHECK(cpu->rate.text() == "0.0001");
  const PriceRow* t4 = book->find("replicate", "T4 16GB", "public");
  REQUIRE(t4 != nullptr);
  CHECK(t4->rate.text() == "0.000225");
}

TEST_CASE("an update hides no price that was read later") {
  const auto book_of = [](std::string_view usd, std::string_view day) {
    PriceBook book;
    PriceRow row;
    row.provider = "p";
    row.sku = "x";
    row.per = "image";
    row.rate = Money::parse(usd, ErrorCode::price_file).value();
    row.read_on = day;
    book.rows.push_back(row);
    return book;
  };
  PriceBook shipped = book_of("0.02", "2026-06-01");
  shipped.lay_over(book_of("0.01", "2026-05-01"), true);
  REQUIRE(shipped.rows.size() == 1);
  CHECK(shipped.rows[0].rate.text() == "0.02");
  shipped.lay_over(book_of("0.03", "2026-06-01"), true);
  REQUIRE(shipped.rows.size() == 1);
  CHECK(shipped.rows[0].rate.text() == "0.03");
  shipped.lay_over(book_of("0.5", "2020-01-01")); // one's own counts, however old
  REQUIRE(shipped.rows.size() == 1);
  CHECK(shipped.rows[0].rate.text() == "0.5");
}
