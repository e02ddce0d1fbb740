#include "daemon/state/prediction_page.h"

#include <fmt/format.h>

#include "cost/money.h"
#include "daemon/state/ledger_filter.h"
#include "daemon/state/records.h"

namespace mrun {
namespace {

Result<PredictionRow> row_of(const Statement& row) {
  PredictionRow prediction;
  prediction.id = row.text(0);
  if (!find_status(row.text(1), prediction.status))
    return fail(ErrorCode::database_corrupt,
                fmt::format("prediction '{}' has no known status", prediction.id));
  prediction.model = row.text(2);
  prediction.version = row.text(3);
  prediction.device = row.text(4);
  if (!row.is_null(5)) prediction.cold_start = row.integer(5) != 0;
  prediction.predict_ns = row.optional_integer(6);
  prediction.total_ns = row.optional_integer(7);
  if (!row.is_null(8)) prediction.amount = Money::from_pico(row.integer(8)).text();
  prediction.currency = row.text(9);
  prediction.cost_reason = row.text(10);
  prediction.tags = decode_tags(row.text(11));
  prediction.created_ns = row.integer(12);
  prediction.started_ns = row.optional_integer(13);
  prediction.completed_ns = row.optional_integer(14);
  prediction.deadline_ns = row.optional_integer(15);
  if (!row.is_null(16)) prediction.error = decode_error(row.text(16));
  return prediction;
}

} // namespace

Result<std::vector<PredictionRow>> ended_predictions(Sqlite& connection, const PredictionPageQuery& query) {
  LedgerFilter filter = query.filter;
  filter.since_ns.reset(); // the ledger's times are those of the end
  filter.until_ns.reset();
  LedgerWhere where(filter);
  if (query.filter.since_ns) where.add("id >= ?", first_prediction_id(*query.filter.since_ns));
  if (query.filter.until_ns) where.add("id < ?", first_prediction_id(*query.filter.until_ns));
  if (!query.cursor.empty()) where.add("id < ?", query.cursor);
  // `error` lies behind the output in its row: it is read of those that have one.
  MRUN_ASSIGN(
      Statement row,
      connection.prepare(fmt::format(
          "SELECT l.id, l.status, l.model, l.version, l.device, l.cold, l.duration_ns, l.total_ns, "
          "l.amount_pico, l.currency, l.reason, l.tags, p.created_ns, p.started_ns, p.completed_ns, "
          "p.deadline_ns, CASE WHEN l.status <> 'succeeded' THEN p.error END FROM (SELECT id, status, "
          "model, version, device, cold, duration_ns, total_ns, amount_pico, currency, reason, tags "
          "FROM ledger{} ORDER BY id DESC LIMIT ?) l JOIN predictions p ON p.id = l.id "
          "ORDER BY l.id DESC",
          where.sql())));
  row.bind(where.bind(row), static_cast<std::int64_t>(query.limit + 1));
  std::vector<PredictionRow> rows;
  while (true) {
    MRUN_ASSIGN(const bool found, row.step());
    if (!found) return rows;
    MRUN_ASSIGN(PredictionRow one, row_of(row));
    rows.push_back(std::move(one));
  }
}

} // namespace mrun
