#include "cli/render/json_text.h"

#include <algorithm>

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

} // namespace

std::string pretty_json(const Json& value) {
  std::string text;
  append(text, value, 0);
  return text;
}

Result<void> print_json(Terminal& terminal, const Json& value) {
  return terminal.out((terminal.out_is_terminal() ? pretty_json(value) : canonical_json(value)) + "\n");
}

} // namespace mrun::cli
