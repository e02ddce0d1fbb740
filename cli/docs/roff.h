// Text for man(7): escaped, so that it shows as it is written.
#pragma once

#include <string>
#include <string_view>

namespace mrun::cli {

// One line of text: backslashes, hyphens, a leading dot or quote and everything beyond ASCII escaped;
// `words in backticks` become bold.
std::string roff_line(std::string_view text);
// Paragraphs: a blank line ends one, lines that begin with two blanks are shown as they stand.
std::string roff_paragraphs(std::string_view text);
// `.MACRO "argument"`, with its quotes.
std::string roff_macro(std::string_view macro, std::string_view argument);

} // namespace mrun::cli
