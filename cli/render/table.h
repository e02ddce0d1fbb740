// Borderless tables: a header, columns two spaces apart.
#pragma once

#include <concepts>
#include <string>
#include <string_view>
#include <vector>

#include "cli/flags.h"
#include "cli/terminal.h"
#include "common/error.h"

namespace mrun::cli {

// For people, and for `--plain`, where they differ: "1.2 GB" and "1234567890".
struct Cell {
  Cell() = default;
  template<std::convertible_to<std::string> Text>
  Cell(Text&& text) : shown(std::forward<Text>(text)),
                      plain(shown) {} // NOLINT(google-explicit-constructor)
  Cell(std::string for_people, std::string for_scripts)
      : shown(std::move(for_people)),
        plain(std::move(for_scripts)) {}

  std::string shown;
  std::string plain;
};

struct Table {
  std::vector<std::string> header;
  std::vector<std::vector<Cell>> rows = {};    // each as long as the header
  std::vector<std::size_t> right_aligned = {}; // columns
  std::vector<std::size_t> shortened = {};     // columns that a narrow terminal may cut
};

// Lines with a newline each, no trailing blanks. Widths are columns_of(). What is wider than `width` (0: no
// limit) is cut in the columns that may be, the widest first, and ends there with `…`.
std::string render_table(const Table& table, std::size_t width = 0);

// Tab-separated, no header; a tab or a newline within a cell is a blank.
std::string render_plain(const Table& table);

// The flag of commands that list.
inline constexpr FlagSpec k_plain_flag = {.name = "plain", .help = "tab-separated, whole values, no header"};

// As wide as standard output, where that is a terminal.
Result<void> print_table(Terminal& terminal, const Table& table, bool plain = false);

// "1 file", "2 files".
std::string count_words(std::size_t count, std::string_view noun);

} // namespace mrun::cli
