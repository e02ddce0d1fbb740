// Pages of the ledger as JSON, and what must be true of it.
#include <charconv>
#include <optional>

#include <fmt/format.h>

#include "common/clock.h"
#include "common/text.h"
#include "cost/charge.h"
#include "daemon/api/prediction.h"
#include "daemon/state/ledger_filter.h"
#include "daemon/state/ledger_reader.h"

namespace mrun {
namespace {

constexpr std::string_view k_columns =
    "id, kind, status, at_ns, began_ns, model, version, device, worker, cause, tags, units, phases, cold, "
    "duration_ns, total_ns, amount_pico, currency, rate_pico, per, billed_ns, formula, reason, "
    "reference_amount_pico, reference_currency, reference_rate_pico, reference_per, reference_billed_ns, "
    "reference_granularity_ns, reference_formula, reference_reason, provider, sku, product, source, read_on";

Json text_or_null(const Statement& row, int column) {
  std::string text = row.text(column);
  return text.empty() ? Json(nullptr) : Json(std::move(text));
}

Json integer_or_null(const Statement& row, int column) {
  return row.is_null(column) ? Json(nullptr) : Json(row.integer(column));
}

Json money_or_null(const Statement& row, int column) {
  return row.is_null(column) ? Json(nullptr) : Json(Money::from_pico(row.integer(column)).text());
}

Json time_or_null(const Statement& row, int column) {
  return row.is_null(column) ? Json(nullptr) : Json(rfc3339_utc(row.integer(column)));
}

// A column that holds an object, or "" for none.
Result<Json> object_of(const Statement& row, int column) {
  const std::string text = row.text(column);
  if (text.empty()) return Json(nullptr);
  return parse_json(text, ErrorCode::database_corrupt, "a line of the ledger");
}

Json own_cost(const Statement& row) {
  return {{"amount", money_or_null(row, 16)},      {"currency", text_or_null(row, 17)},
          {"rate", money_or_null(row, 18)},        {"per", text_or_null(row, 19)},
          {"billed_ns", integer_or_null(row, 20)}, {"formula", text_or_null(row, 21)},
          {"reason", text_or_null(row, 22)}};
}

Json reference_cost(const Statement& row) {
  return {{"amount", money_or_null(row, 23)},      {"currency", text_or_null(row, 24)},
          {"rate", money_or_null(row, 25)},        {"per", text_or_null(row, 26)},
          {"billed_ns", integer_or_null(row, 27)}, {"granularity_ns", integer_or_null(row, 28)},
          {"formula", text_or_null(row, 29)},      {"reason", text_or_null(row, 30)},
          {"provider", text_or_null(row, 31)},     {"sku", text_or_null(row, 32)},
          {"product", text_or_null(row, 33)},      {"source", text_or_null(row, 34)},
          {"read_on", text_or_null(row, 35)},      {"note", "reference, not your bill"}};
}

Result<Json> line_of(const Statement& row) {
  const std::string kind = row.text(1);
  Json line = {{"id", row.text(0)},
               {"kind", kind},
               {"status", row.text(2)},
               {"at", rfc3339_utc(row.integer(3))},
               {"began_at", time_or_null(row, 4)},
               {"model", row.text(5)},
               {"version", row.text(6)},
               {"device", text_or_null(row, 7)},
               {"worker", text_or_null(row, 8)},
               {"duration_ns", integer_or_null(row, 14)},
               {"cost", own_cost(row)},
               {"cost_reference", reference_cost(row)}};
  if (kind == "prediction") {
    MRUN_ASSIGN(Json tags, object_of(row, 10));
    line["tags"] = tags.is_null() ? Json::object() : std::move(tags);
    MRUN_ASSIGN(Json units, object_of(row, 11));
    line["units"] = units.is_null() ? Json::object() : std::move(units);
    line["cold_start"] = row.is_null(13) ? Json(nullptr) : Json(row.integer(13) != 0);
    line["total_ns"] = integer_or_null(row, 15);
  } else {
    line["prediction"] = text_or_null(row, 9);
    if (kind == "setup") {
      MRUN_ASSIGN(line["phases_ns"], object_of(row, 12));
    }
  }
  return line;
}

struct Place {
  std::int64_t at_ns = 0;
  std::string id;
};

// "<at_ns>-<id>"
std::optional<Place> parse_cursor(std::string_view text) {
  Place place;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), place.at_ns);
  if (error != std::errc() || end == text.data() + text.size() || *end != '-') return std::nullopt;
  place.id = std::string(end + 1, text.data() + text.size());
  return is_prediction_id(place.id) ? std::optional(place) : std::nullopt;
}

} // namespace

Result<Json> ledger_page(Sqlite& connection, const LedgerPageQuery& query) {
  LedgerWhere where(query.filter);
  std::optional<Place> after;
  if (!query.cursor.empty()) {
    after = parse_cursor(query.cursor);
    if (!after)
      return fail(ErrorCode::ledger_query,
                  fmt::format("cursor '{}' is not one of this list", printable(query.cursor, 60)),
                  "give `next` of a page as it is");
    where.add("(at_ns, id) < (?", after->at_ns);
    where.extend(", ?)", after->id);
  }
  MRUN_ASSIGN(Statement row,
              connection.prepare(fmt::format("SELECT {} FROM ledger{} ORDER BY at_ns DESC, id DESC "
                                             "LIMIT ?",
                                             k_columns, where.sql())));
  row.bind(where.bind(row), static_cast<std::int64_t>(query.limit + 1));
  Json rows = Json::array();
  Json next;
  Place last;
  while (true) {
    MRUN_ASSIGN(const bool found, row.step());
    if (!found) break;
    if (rows.size() == query.limit) {
      next = fmt::format("{}-{}", last.at_ns, last.id);
      row.reset();
      break;
    }
    MRUN_ASSIGN(Json line, line_of(row));
    rows.push_back(std::move(line));
    last = {row.integer(3), row.text(0)};
  }
  return Json{{"schema", "mrun.ledger/v1"}, {"rows", std::move(rows)}, {"next", std::move(next)}};
}

// ---- the invariants
// ------------------------------------------------------------------------------------------
namespace {

tl::unexpected<Error> broken(std::string message) {
  return fail(ErrorCode::database_corrupt, std::move(message));
}

// The first column of the first row, which breaks the rule; "" when none does.
Result<void> none_may(Sqlite& connection, std::string_view sql, std::string_view what) {
  MRUN_ASSIGN(const std::string id, connection.text(sql));
  if (!id.empty()) return broken(fmt::format("'{}' {}", id, what));
  return {};
}

// amount = rate × billed time, to the pico-unit, for one side of a line.
Result<void> check_amount(const Statement& row, int first) {
  if (row.is_null(first) || row.is_null(first + 1)) return {};
  const auto seconds = seconds_of_unit(row.text(first + 2));
  if (!seconds || row.is_null(first + 3))
    return broken(fmt::format("line '{}' has an amount without its time", row.text(0)));
  MRUN_ASSIGN(
      const Money amount,
      Money::from_pico(row.integer(first + 1)).times(row.integer(first + 3), *seconds * 1'000'000'000));
  if (amount.pico() == row.integer(first)) return {};
  return broken(fmt::format("line '{}' says {}, its rate and time make {}", row.text(0),
                            Money::from_pico(row.integer(first)).text(), amount.text()));
}

Result<void> check_amounts(Sqlite& connection) {
  MRUN_ASSIGN(Statement row,
              connection.prepare("SELECT id, amount_pico, rate_pico, per, billed_ns, reference_amount_pico, "
                                 "reference_rate_pico, reference_per, reference_billed_ns FROM ledger"));
  while (true) {
    MRUN_ASSIGN(const bool found, row.step());
    if (!found) return {};
    MRUN_TRY(check_amount(row, 1));
    MRUN_TRY(check_amount(row, 5));
  }
}

// What a prediction says of its cost is what the ledger says.
Result<void> check_told(Sqlite& connection) {
  MRUN_ASSIGN(Statement row,
              connection.prepare("SELECT l.id, l.amount_pico, json_extract(p.metrics, '$.cost.amount') FROM "
                                 "ledger l JOIN predictions p ON p.id = l.id WHERE "
                                 "json_type(p.metrics, '$.cost') IS NOT NULL"));
  while (true) {
    MRUN_ASSIGN(const bool found, row.step());
    if (!found) return {};
    std::optional<std::int64_t> told;
    if (!row.is_null(2)) {
      MRUN_ASSIGN(const Money amount, Money::parse(row.text(2), ErrorCode::database_corrupt));
      told = amount.pico();
    }
    if (told != row.optional_integer(1))
      return broken(fmt::format("the ledger and prediction '{}' tell different costs", row.text(0)));
  }
}

} // namespace

Result<void> check_ledger(Sqlite& connection) {
  MRUN_TRY(
      none_may(connection,
               "SELECT p.id FROM predictions p LEFT JOIN ledger l ON l.id = p.id AND l.kind = 'prediction' "
               "WHERE p.status NOT IN ('starting', 'processing') AND (l.id IS NULL OR l.status <> p.status "
               "OR l.model <> p.model OR l.version <> p.version OR l.tags <> p.tags) LIMIT 1",
               "ended without its line in the ledger"));
  MRUN_TRY(none_may(connection,
                    "SELECT l.id FROM ledger l LEFT JOIN predictions p ON p.id = l.id WHERE l.kind = "
                    "'prediction' AND (p.id IS NULL OR p.status IN ('starting', 'processing')) LIMIT 1",
                    "is billed and did not end"));
  MRUN_TRY(none_may(connection,
                    "SELECT id FROM ledger WHERE amount_pico < 0 OR reference_amount_pico < 0 OR "
                    "billed_ns > duration_ns OR (kind = 'setup' AND worker <> id) LIMIT 1",
                    "bills more than it lasted, or is no worker's"));
  MRUN_TRY(check_amounts(connection));
  return check_told(connection);
}

} // namespace mrun
