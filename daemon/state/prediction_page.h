// The list of predictions that have ended, over any connection that reads: by the ledger's lines, which are
// small, with the times and the reason of the predictions themselves.
#pragma once

#include <vector>

#include "common/error.h"
#include "daemon/api/ledger.h"
#include "daemon/api/prediction_row.h"
#include "daemon/state/sqlite.h"

namespace mrun {

// Newest first by creation, at most one more than `query.limit`, so that the caller sees whether there is
// another page. Error database_corrupt.
Result<std::vector<PredictionRow>> ended_predictions(Sqlite& connection, const PredictionPageQuery& query);

} // namespace mrun
