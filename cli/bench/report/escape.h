// Text of users and models in other people's formats.
#pragma once

#include <string>
#include <string_view>

namespace mrun::bench {

// For text and quoted attributes of XML and HTML. What XML 1.0 does not allow becomes U+FFFD.
std::string xml_escape(std::string_view text);
// A cell of a Markdown table: one line, no markup, no HTML.
std::string markdown_escape(std::string_view text);
// RFC 4180; a cell that a spreadsheet would take for a formula gets a leading apostrophe.
std::string csv_cell(std::string_view text);

} // namespace mrun::bench
