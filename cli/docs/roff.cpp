#include "cli/docs/roff.h"

#include <cstdint>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::cli {
namespace {

// The code point at `at` of valid UTF-8, and moves behind it.
std::uint32_t next_code_point(std::string_view text, std::size_t& at) {
  const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
  const std::uint8_t first = byte(at++);
  if (first < 0x80) return first;
  const int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
  std::uint32_t point = first & (0x3fU >> more);
  for (int i = 0; i < more && at < text.size(); ++i)
    point = (point << 6) | (byte(at++) & 0x3fU);
  return point;
}

std::string escaped(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    const std::uint32_t point = next_code_point(text, at);
    if (point == '\\')
      out += "\\e";
    else if (point == '-')
      out += "\\-";
    else if (point == '^')
      out += "\\(ha";
    else if (point == '~')
      out += "\\(ti";
    else if (point == '\'')
      out += "\\(aq";
    else if (point == '"')
      out += "\\(dq";
    else if (point < 0x80)
      out += static_cast<char>(point);
    else
      out += fmt::format("\\[u{:04X}]", point);
  }
  return out.starts_with('.') ? "\\&" + out : out;
}

} // namespace

std::string roff_line(std::string_view text) {
  std::string out;
  bool code = false;
  for (const std::string_view part : split(text, '`')) {
    out += code ? fmt::format("\\fB{}\\fR", escaped(part)) : escaped(part);
    code = !code;
  }
  return out;
}

std::string roff_paragraphs(std::string_view text) {
  std::string out;
  bool as_it_stands = false, begins = false;
  for (const std::string_view line : split(text, '\n')) {
    const bool shown = line.starts_with("  ");
    if (shown != as_it_stands) out += shown ? ".PP\n.EX\n" : ".EE\n";
    as_it_stands = shown;
    if (trim(line).empty()) {
      begins = true;
      continue;
    }
    if (begins && !shown) out += ".PP\n";
    begins = false;
    out += roff_line(line) + "\n";
  }
  return as_it_stands ? out + ".EE\n" : out;
}

std::string roff_macro(std::string_view macro, std::string_view argument) {
  return fmt::format(".{} \"{}\"\n", macro, escaped(argument));
}

} // namespace mrun::cli
