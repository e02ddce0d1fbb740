// How many columns of a terminal a text takes.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace mrun::cli {

// Of valid UTF-8 in one line. Wide letters (CJK, emoji) take two columns; combining marks, joiners and the
// codes that colour (`ESC [ … m`) none: Unicode Standard Annex 11, as utf8proc has it.
std::size_t columns_of(std::string_view text);

// The same text where it takes `columns` (from 1) at most; else as much of its beginning as leaves room for
// the `…` behind it. A code that colours is never cut: all of them stay.
std::string cut_to_columns(std::string_view text, std::size_t columns);

} // namespace mrun::cli
