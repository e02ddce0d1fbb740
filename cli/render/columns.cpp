#include "cli/render/columns.h"

#include <utf8proc.h>

namespace mrun::cli {
namespace {

// What stands at the beginning of a text: a letter, or a code that colours.
struct Piece {
  std::size_t bytes;
  std::size_t columns;
  bool is_code = false;
};

Piece first_piece(std::string_view text) {
  if (text.starts_with("\x1b[")) {
    const std::size_t end = text.find_first_not_of("0123456789;", 2);
    if (end != std::string_view::npos && text[end] == 'm') return {end + 1, 0, true};
  }
  utf8proc_int32_t letter = 0;
  const utf8proc_ssize_t bytes = utf8proc_iterate(reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
                                                  static_cast<utf8proc_ssize_t>(text.size()), &letter);
  if (bytes <= 0) return {1, 1}; // not UTF-8
  const bool is_control = utf8proc_category(letter) == UTF8PROC_CATEGORY_CC;
  const int columns = is_control ? 1 : utf8proc_charwidth(letter);
  return {static_cast<std::size_t>(bytes), static_cast<std::size_t>(columns)};
}

} // namespace

std::size_t columns_of(std::string_view text) {
  std::size_t columns = 0;
  while (!text.empty()) {
    const Piece piece = first_piece(text);
    columns += piece.columns;
    text.remove_prefix(piece.bytes);
  }
  return columns;
}

std::string cut_to_columns(std::string_view text, std::size_t columns) {
  if (columns_of(text) <= columns) return std::string(text);
  std::string kept;
  std::size_t used = 0;
  for (bool is_cut = false; !text.empty();) {
    const Piece piece = first_piece(text);
    if (!is_cut && used + piece.columns + 1 > columns) {
      kept += "…";
      is_cut = true;
    }
    used += piece.columns;
    if (piece.is_code || !is_cut) kept += text.substr(0, piece.bytes);
    text.remove_prefix(piece.bytes);
  }
  return kept;
}

} // namespace mrun::cli
