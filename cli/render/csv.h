// CSV (RFC 4180) that spreadsheets and programs may open.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mrun::cli {

// One cell: quoted when it has a comma, a quote or a line break. A text that a spreadsheet would take for a
// formula (it begins with = + - @, a tab or a return) gets an apostrophe before it.
std::string csv_cell(std::string_view text);
// The cells and a newline.
std::string csv_row(const std::vector<std::string>& cells);

} // namespace mrun::cli
