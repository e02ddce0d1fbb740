#include "cli/render/columns.h"

#include <algorithm>
#include <cstdint>

namespace mrun::cli {
namespace {

struct Range {
  std::uint32_t first, last;
};
constexpr Range k_none[] = {{0x0300, 0x036F}, {0x200B, 0x200D}, {0x20D0, 0x20FF}, {0xFE00, 0xFE0F}};
constexpr Range k_wide[] = {{0x1100, 0x115F},   {0x2E80, 0xA4CF},   {0xAC00, 0xD7A3},  {0xF900, 0xFAFF},
                            {0xFE30, 0xFE6F},   {0xFF00, 0xFF60},   {0xFFE0, 0xFFE6},  {0x1F300, 0x1F64F},
                            {0x1F680, 0x1F6FF}, {0x1F900, 0x1FAFF}, {0x20000, 0x3FFFD}};

template<std::size_t Count>
bool is_in(const Range (&ranges)[Count], std::uint32_t letter) {
  return std::ranges::any_of(
      ranges, [letter](const Range& range) { return range.first <= letter && letter <= range.last; });
}

bool is_continuation(char byte) {
  return (byte & 0xC0) == 0x80;
}

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
  const auto head = static_cast<unsigned char>(text[0]);
  std::uint32_t letter = head < 0x80   ? head
                         : head < 0xE0 ? head & 0x1FU
                         : head < 0xF0 ? head & 0x0FU
                                       : head & 7U;
  std::size_t bytes = 1;
  for (; bytes < text.size() && is_continuation(text[bytes]); ++bytes)
    letter = letter << 6 | (static_cast<unsigned char>(text[bytes]) & 0x3FU);
  return {bytes, is_in(k_none, letter) ? 0U : is_in(k_wide, letter) ? 2U : 1U};
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
