#include "cli/render/json_text.h"

#include <algorithm>

#include <fmt/format.h>

namespace mrun::cli {
namespace {

constexpr std::size_t k_line_columns = 100;

bool is_flat(const Json& value) {
  return value.is_array() && std::ranges::all_of(value, [](const Json& item) { return item.is_number(); });
}

void append(std::string& text, const Json& value, std::size_t depth) {
  const std::string compact = canonical_json(value);
  if (!value.is_structured() || is_flat(value) || 2 * depth + compact.size() <= k_line_columns) {
    text += compact;
    return;
  }
  const std::string indent(2 * (depth + 1), ' ');
  text += value.is_array() ? "[\n" : "{\n";
  bool first = true;
  for (const auto& [key, item] : value.items()) {
    if (!first) text += ",\n";
    first = false;
    text += indent;
    if (value.is_object()) text += canonical_json(key) + ": ";
    append(text, item, depth + 1);
  }
  text += "\n" + std::string(2 * depth, ' ') + (value.is_array() ? "]" : "}");
}

// What JSON may hold as it is, and a terminal acts on: DEL and C1 (U+0080–U+009F, in UTF-8 C2 80 to C2 9F).
// Both stand in strings only.
std::string with_controls_escaped(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    const auto next = i + 1 < text.size() ? static_cast<unsigned char>(text[i + 1]) : 0;
    if (byte == 0x7F)
      out += "\\u007f";
    else if (byte == 0xC2 && next >= 0x80 && next < 0xA0)
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(text[++i]));
    else
      out += text[i];
  }
  return out;
}

} // namespace

std::string pretty_json(const Json& value) {
  std::string text;
  append(text, value, 0);
  return with_controls_escaped(text);
}

std::string plain_json(const Json& value) {
  return with_controls_escaped(canonical_json(value));
}

Result<void> print_json(Terminal& terminal, const Json& value) {
  return terminal.out((terminal.out_is_terminal() ? pretty_json(value) : plain_json(value)) + "\n");
}

} // namespace mrun::cli
