// A line of bash up to the cursor, as words: enough of its grammar to complete one command.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mrun::cli {

struct TypedLine {
  std::vector<std::string> words; // before the cursor's, without their quotes
  std::string typed;              // the cursor's word, without its quotes
  std::string raw;                // the same as it was typed
  char quote = 0;                 // ' or " when the cursor is inside of one
  // For each byte of `raw`: how long `typed` was before it, and whether it stands for itself (neither quoted
  // nor a quote or backslash).
  std::vector<std::size_t> typed_before;
  std::vector<bool> is_bare;
  std::size_t quoted_from = 0; // of `raw`, behind the quote that is open
};
// What stands before the last `;`, `|` or `&` is another command.
TypedLine take_apart(std::string_view line);

// `text`, whatever it holds, so that bash takes it for just that where it is put behind the cursor's word:
// outside of quotes, or inside of one that stays open.
std::string escape_for_bash(std::string_view text, char quote);

} // namespace mrun::cli
