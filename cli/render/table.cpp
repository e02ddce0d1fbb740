#include "cli/render/table.h"

#include <algorithm>

namespace mrun::cli {
namespace {

std::size_t width_of(const std::string& cell) {
  return static_cast<std::size_t>(
      std::ranges::count_if(cell, [](char byte) { return (byte & 0xC0) != 0x80; }));
}

} // namespace

std::string render_table(const Table& table) {
  std::vector<std::size_t> widths;
  for (const std::string& title : table.header)
    widths.push_back(width_of(title));
  for (const auto& row : table.rows) {
    MRUN_CHECK(row.size() == widths.size());
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  const auto append_row = [&](const std::vector<std::string>& row) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - width_of(row[i]), ' ');
      const bool right = std::ranges::find(table.right_aligned, i) != table.right_aligned.end();
      line += i == 0 ? "" : "  ";
      line += right ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  append_row(table.header);
  for (const auto& row : table.rows)
    append_row(row);
  return text;
}

std::string count_words(std::size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

} // namespace mrun::cli
