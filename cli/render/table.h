// Borderless tables: a header, columns two spaces apart, nothing cut.
#pragma once

#include <string>
#include <string_view>
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

// "1 file", "2 files".
std::string count_words(std::size_t count, std::string_view noun);

} // namespace mrun::cli
