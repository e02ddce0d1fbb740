#include "cli/bench/report/html_parts.h"

#include <fmt/format.h>

#include "cli/bench/report/escape.h"

namespace mrun::bench {

std::string html_heading(std::string_view words) {
  return fmt::format("<h2>{}</h2>\n", xml_escape(words));
}

std::string html_table(const std::vector<std::string>& header,
                       const std::vector<std::vector<std::string>>& rows, bool last_is_long) {
  std::string text = "<div class=\"wide\"><table><tr>";
  const auto cell = [&](std::string_view tag, std::size_t i, const std::string& words) {
    const bool is_long = last_is_long && i + 1 == header.size();
    text += fmt::format("<{0}{1}>{2}</{0}>", tag, is_long ? " class=\"long\"" : "", xml_escape(words));
  };
  for (std::size_t i = 0; i < header.size(); ++i)
    cell("th", i, header[i]);
  text += "</tr>\n";
  for (const auto& row : rows) {
    text += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      cell("td", i, row[i]);
    text += "</tr>\n";
  }
  return text + "</table></div>\n";
}

std::string html_card(const std::string& value, const std::string& label) {
  return fmt::format("<div class=\"card\"><b>{}</b><span>{}</span></div>\n", xml_escape(value),
                     xml_escape(label));
}

std::string html_list(std::string_view style, const std::vector<std::string>& lines) {
  if (lines.empty()) return {};
  std::string text = fmt::format("<ul class=\"{}\">\n", style);
  for (const std::string& line : lines)
    text += fmt::format("<li>{}</li>\n", xml_escape(line));
  return text + "</ul>\n";
}

} // namespace mrun::bench
