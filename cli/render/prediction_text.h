// Predictions for people: a table of rows (mrun.predictions/v1), and one in whole.
#pragma once

#include <string>

#include "cli/render/table.h"
#include "common/json.h"

namespace mrun::cli {

Table predictions_table(const Json& rows);
// A line each, tab-separated, as `mrun help predictions` lists the fields; "" for what is not known.
std::string predictions_plain(const Json& rows);
// Of GET /mrun/v1/predictions/ID. Long texts and data URIs are cut. What a text holds is as it is, but for
// control characters where it goes to a terminal.
std::string prediction_text(const Json& prediction, bool for_terminal);

} // namespace mrun::cli
