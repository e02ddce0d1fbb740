#include "cli/render/table.h"

#include <algorithm>
#include <numeric>

#include "cli/render/columns.h"

namespace mrun::cli {
namespace {

constexpr std::size_t k_gap = 2;
constexpr std::size_t k_least_width = 8; // of a column that is cut

std::vector<std::size_t> widths_of(const Table& table) {
  std::vector<std::size_t> widths;
  for (const std::string& title : table.header)
    widths.push_back(columns_of(title));
  for (const auto& row : table.rows) {
    MRUN_CHECK(row.size() == widths.size());
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], columns_of(row[i].shown));
  }
  return widths;
}

void make_fit(std::vector<std::size_t>& widths, const std::vector<std::size_t>& shortened,
              std::size_t width) {
  const std::size_t whole =
      std::accumulate(widths.begin(), widths.end(), k_gap * (std::max<std::size_t>(widths.size(), 1) - 1));
  for (std::size_t over = whole > width ? whole - width : 0; over > 0; --over) {
    std::size_t* widest = nullptr;
    for (const std::size_t column : shortened)
      if (widths[column] > k_least_width && (widest == nullptr || widths[column] > *widest))
        widest = &widths[column];
    if (widest == nullptr) return;
    --*widest;
  }
}

} // namespace

std::string render_table(const Table& table, std::size_t width) {
  std::vector<std::size_t> widths = widths_of(table);
  if (width > 0) make_fit(widths, table.shortened, width);
  std::string text;
  const auto append_row = [&](const auto& row, const auto& text_of_cell) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = cut_to_columns(text_of_cell(row[i]), widths[i]);
      const std::string padding(widths[i] - columns_of(cell), ' ');
      const bool right = std::ranges::find(table.right_aligned, i) != table.right_aligned.end();
      line += i == 0 ? std::string() : std::string(k_gap, ' ');
      line += right ? padding + cell : cell + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  };
  append_row(table.header, [](const std::string& title) { return title; });
  for (const auto& row : table.rows)
    append_row(row, [](const Cell& cell) { return cell.shown; });
  return text;
}

std::string render_plain(const Table& table) {
  std::string text;
  for (const auto& row : table.rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      std::string cell = row[i].plain;
      std::ranges::replace_if(cell, [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
      text += (i == 0 ? "" : "\t") + cell;
    }
    text += "\n";
  }
  return text;
}

Result<void> print_table(Terminal& terminal, const Table& table, bool plain) {
  return terminal.out(plain ? render_plain(table) : render_table(table, terminal.out_width()));
}

std::string count_words(std::size_t count, std::string_view noun) {
  return std::to_string(count) + " " + std::string(noun) + (count == 1 ? "" : "s");
}

} // namespace mrun::cli
