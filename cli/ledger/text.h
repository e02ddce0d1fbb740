// Lines and sums of the ledger in words, tables and CSV. What is unknown reads `unknown`, never 0.
#pragma once

#include <string>
#include <vector>

#include "cli/render/table.h"
#include "common/json.h"

namespace mrun::cli {

// A table without rows, and a row for a line of mrun.ledger/v1.
Table ledger_table();
std::vector<Cell> ledger_cells(const Json& line);
// The same as CSV: every field, names first.
std::string ledger_csv_header();
std::string ledger_csv_row(const Json& line);
// "12 predictions, 1 setup, 11 idle · cost 0.0012 USD (setup 0.0002 USD, idle unknown (11)) · reference …":
// of the one group of mrun.stats/v1.
std::string totals_line(const Json& group);

Table stats_table(const std::string& by);
std::vector<Cell> stats_cells(const Json& group);
std::string stats_csv_header(const std::string& by);
std::string stats_csv_row(const Json& group);

// "0.0012 USD", "unknown (3)", "0.0012 USD + unknown (3)", "–" without lines.
std::string amounts_words(const Json& amounts);

} // namespace mrun::cli
