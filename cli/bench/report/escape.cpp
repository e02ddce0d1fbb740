#include "cli/bench/report/escape.h"

#include "common/text.h"

namespace mrun::bench {
namespace {

constexpr std::string_view k_replacement = "\xEF\xBF\xBD";

bool allowed_in_xml(unsigned char byte) {
  return byte >= 0x20 || byte == '\t' || byte == '\n' || byte == '\r';
}

// Broken UTF-8 as \xNN, and the noncharacters that XML forbids, U+FFFE and U+FFFF, replaced.
std::string valid_text(std::string_view text) {
  std::string valid = is_valid_utf8(text) ? std::string(text) : printable(text, text.size() * 4 + 4);
  for (const std::string_view forbidden : {"\xEF\xBF\xBE", "\xEF\xBF\xBF"})
    for (std::size_t at = valid.find(forbidden); at != std::string::npos; at = valid.find(forbidden, at))
      valid.replace(at, forbidden.size(), k_replacement);
  return valid;
}

std::string replaced(std::string_view text, std::string_view (*replacement)(char)) {
  std::string result;
  for (const char c : text) {
    const std::string_view other = replacement(c);
    if (other.data() == nullptr)
      result += c;
    else
      result += other;
  }
  return result;
}

} // namespace

std::string xml_escape(std::string_view text) {
  return replaced(valid_text(text), [](char c) -> std::string_view {
    switch (c) {
    case '&':
      return "&amp;";
    case '<':
      return "&lt;";
    case '>':
      return "&gt;";
    case '"':
      return "&quot;";
    case '\'':
      return "&#39;";
    default:
      return allowed_in_xml(static_cast<unsigned char>(c)) ? std::string_view() : k_replacement;
    }
  });
}

std::string markdown_escape(std::string_view text) {
  constexpr std::string_view k_markup = "\\`*_{}[]()#+!|~";
  std::string result;
  for (const char c : xml_escape(text)) {
    if (c == '\n' || c == '\r' || c == '\t') {
      result += ' ';
      continue;
    }
    // A `#` of an entity stays; the others begin headings and issue links.
    const bool of_entity = c == '#' && result.ends_with('&');
    if (k_markup.find(c) != std::string_view::npos && !of_entity) result += '\\';
    result += c;
    if (c == '@') result += "\xE2\x80\x8B"; // a zero-width space, so that nobody is mentioned
  }
  return result;
}

std::string csv_cell(std::string_view text) {
  std::string cell(text);
  if (!cell.empty() && std::string_view("=+-@\t\r").find(cell[0]) != std::string_view::npos)
    cell.insert(0, "'");
  if (cell.find_first_of(",\"\r\n") == std::string::npos) return cell;
  std::string quoted = "\"";
  for (const char c : cell) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

} // namespace mrun::bench
