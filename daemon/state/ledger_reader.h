// Questions to the ledger, over any connection that reads: pages of lines, and sums by group
// (docs/formats/ledger.md). One read transaction each, so that a reply is of one moment; memory is bounded by
// the page, or by the number of groups.
#pragma once

#include "common/error.h"
#include "common/json.h"
#include "daemon/api/ledger.h"
#include "daemon/state/sqlite.h"

namespace mrun {

// {schema: mrun.ledger/v1, rows: […], next: cursor or null}, newest first. A cursor is a place in the order
// of time: whatever is written meanwhile, a walk over the pages repeats no line and leaves none out that was
// there when it began. Error ledger_query: a cursor that is not one of a page.
Result<Json> ledger_page(Sqlite& connection, const LedgerPageQuery& query);

// {schema: mrun.stats/v1, by, groups: […]}, ordered by key. Percentiles are exact (nearest rank), of the
// predictions that succeeded, and null where there are too few. Error ledger_query: too many groups.
Result<Json> ledger_stats(Sqlite& connection, const LedgerStatsQuery& query);

// The invariants: each ended prediction has exactly one line with its status and its cost, and no line is
// without its prediction; no line bills more of the user's machine than it lasted; each amount is its rate
// times what was billed. Error database_corrupt, naming the first line that breaks one.
Result<void> check_ledger(Sqlite& connection);

} // namespace mrun
