// Times, queries, CSV and words of `mrun ledger` and `mrun stats`.
#include <doctest/doctest.h>

#include "cli/ledger/query.h"
#include "cli/ledger/text.h"
#include "cli/render/csv.h"

using namespace mrun;
using namespace mrun::cli;

namespace {

constexpr std::int64_t k_now = 1'700'000'000'000'000'000;
constexpr std::int64_t k_second = 1'000'000'000;

Json line() {
  return Json::parse(
      R"json({"id": "i", "kind": "prediction", "status": "succeeded", "at": "2026-11-24T20:44:19.123456Z",
    "began_at": null, "model": "test/echo", "version": "bb", "device": "cpu", "worker": null, "duration_ns": 42000000,
    "total_ns": 50000000, "cold_start": false, "tags": {"user": "=cmd()", "note": "a\"b, c"}, "units": {},
    "cost": {"amount": null, "currency": null, "rate": null, "per": null, "billed_ns": null, "formula": null,
             "reason": "no rate is set"},
    "cost_reference": {"amount": "0.0001", "currency": "USD", "rate": "0.0001", "per": "instance_s", "billed_ns": 1000000000,
      "granularity_ns": 1000000000, "formula": "f", "reason": null, "provider": "replicate", "sku": "CPU", "product": "public",
      "source": "s", "read_on": "2026-11-18", "note": "reference, not your bill"}})json");
}

} // namespace

TEST_CASE("a time is long ago, a date or a moment") {
  CHECK(parse_moment("since", "90m", k_now) == k_now - 5400 * k_second);
  CHECK(parse_moment("since", "0s", k_now) == k_now);
  CHECK(parse_moment("since", "7d", k_now) == k_now - 7 * 86'400 * k_second);
  CHECK(parse_moment("since", "2w", k_now) == k_now - 14 * 86'400 * k_second);
  CHECK(parse_moment("since", "1970-01-02", k_now) == 86'400 * k_second);
  CHECK(parse_moment("until", "1970-01-01T00:00:01Z", k_now) == k_second);
  for (const char* bad :
       {"", "7", "d", "-1d", "7days", "1.5h", "yesterday", "99999999999999999999d", "40000d", "7d "}) {
    const auto moment = parse_moment("since", bad, k_now);
    REQUIRE_MESSAGE(!moment, bad);
    CHECK(moment.error().code == ErrorCode::flag_value);
    CHECK(moment.error().message.find("--since") != std::string::npos);
  }
}

TEST_CASE("a cell that a spreadsheet would run is a text") {
  CHECK(csv_cell("plain") == "plain");
  CHECK(csv_cell("a,b") == "\"a,b\"");
  CHECK(csv_cell("say \"hi\"") == "\"say \"\"hi\"\"\"");
  CHECK(csv_cell("two\nlines") == "\"two\nlines\"");
  CHECK(csv_cell("=1+1") == "'=1+1");
  CHECK(csv_cell("+1") == "'+1");
  CHECK(csv_cell("-1") == "'-1");
  CHECK(csv_cell("@x") == "'@x");
  CHECK(csv_cell("\tx") == "'\tx");
  CHECK(csv_cell("=a,\"b") == "\"'=a,\"\"b\"");
  CHECK(csv_row({"", "a", "b,"}) == ",a,\"b,\"\n");
}

TEST_CASE("a line in words and as CSV; what is unknown reads so") {
  const std::vector<Cell> cells = ledger_cells(line());
  CHECK(cells.size() == ledger_table().header.size());
  CHECK(cells[0].shown == "2026-11-24 20:44:19");
  CHECK(cells[5].shown == "42 ms");
  CHECK(cells[5].plain == "42000000");
  CHECK(cells[6].shown == "unknown");
  CHECK(cells[7].shown == "0.0001 USD");
  CHECK(cells[8].shown == "note=a\"b, c user==cmd()");
  const std::string header = ledger_csv_header();
  const std::string row = ledger_csv_row(line());
  CHECK(header.find("amount,currency,rate") != std::string::npos);
  CHECK(row.find(",unknown,,,,,,no rate is set,0.0001,USD,") != std::string::npos);
  CHECK(row.find("\"{\"\"note\"\":\"\"a\\\"\"b, c\"\",\"\"user\"\":\"\"=cmd()\"\"}\"") != std::string::npos);
  CHECK(ledger_csv_row(Json::object()).find("unknown") !=
        std::string::npos); // whatever comes, it is no crash
  CHECK(ledger_cells(Json()).size() == cells.size());
}

TEST_CASE("sums in words") {
  CHECK(amounts_words(Json::parse(R"({"lines": 0, "unknown": 0, "amounts": {}})")) == "–");
  CHECK(amounts_words(Json::parse(R"({"lines": 2, "unknown": 0, "amounts": {}})")) == "0");
  CHECK(amounts_words(Json::parse(R"({"lines": 2, "unknown": 2, "amounts": {}})")) == "unknown (2)");
  CHECK(amounts_words(Json::parse(R"({"lines": 3, "unknown": 1, "amounts": {"EUR": "1", "USD": "2.5"}})")) ==
        "1 EUR; 2.5 USD + unknown (1)");
  const Json group =
      Json::parse(R"({"key": null, "predictions": {"n": 1, "succeeded": 1, "failed": 0, "canceled": 0,
    "aborted": 0, "cold_starts": 1}, "total_ns": {"n": 1, "p50": 42000000, "p95": null, "p99": null},
    "predict_ns": {"n": 1, "p50": 1000000, "p95": null, "p99": null},
    "cost": {"prediction": {"lines": 1, "unknown": 0, "amounts": {"USD": "1"}},
             "setup": {"lines": 1, "unknown": 0, "amounts": {"USD": "2"}}, "idle": {"lines": 1, "unknown": 1, "amounts": {}},
             "total": {"lines": 3, "unknown": 1, "amounts": {"USD": "3"}}},
    "cost_reference": {"total": {"lines": 3, "unknown": 0, "amounts": {"USD": "0.5"}}}})");
  CHECK(totals_line(group) ==
        "1 prediction, 1 setup, 1 idle · cost 3 USD + unknown (1) (predictions 1 USD, setup 2 USD, "
        "idle unknown (1)) · reference 0.5 USD\n");
  const std::vector<Cell> cells = stats_cells(group);
  CHECK(cells.size() == stats_table("model").header.size());
  CHECK(cells[0].shown == "–");
  CHECK(cells[5].shown == "42 ms");
  CHECK(cells[6].shown == "–");
  CHECK(stats_csv_row(group).find(",42000000,,,1000000,,,1 USD,0,2 USD,0,,1,3 USD,1,") != std::string::npos);
}
