// Borderless tables: a header, columns two spaces apart, nothing cut.
#pragma once

#include <string>
#include <vector>

#include "common/error.h"

namespace mrun::cli {

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<std::string>> rows; // each as long as the header
  std::vector<std::size_t> right_aligned;     // columns
};

// Lines with a newline each, no trailing blanks. Widths count code points.
std::string render_table(const Table& table);

} // namespace mrun::cli
