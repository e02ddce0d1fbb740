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
};
// What stands before the last `;`, `|` or `&` is another command.
TypedLine take_apart(std::string_view line);

// `text` as it must stand in the line: blanks and characters that mean something to bash get a backslash,
// unless the word is quoted.
std::string escape_for_bash(std::string_view text, char quote);

} // namespace mrun::cli
