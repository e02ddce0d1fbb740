// Pieces that the HTML report is put together from. All text is escaped here.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace mrun::bench {

std::string html_heading(std::string_view words);
// `last_is_long`: the last column holds sentences, which may be broken.
std::string html_table(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows, bool last_is_long = false);
// One figure of the row at the top.
std::string html_card(const std::string& value, const std::string& label);
// "" for no lines. `style`: a CSS class.
std::string html_list(std::string_view style, const std::vector<std::string>& lines);

} // namespace mrun::bench
