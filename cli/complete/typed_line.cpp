#include "cli/complete/typed_line.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_ends_command = ";|&\n";
constexpr std::string_view k_special = " \t\n\\'\"`$&|;<>()*?[]#!{}";

} // namespace

TypedLine take_apart(std::string_view line) {
  TypedLine out;
  bool in_word = false;
  const auto end_word = [&] {
    if (in_word) out.words.push_back(std::move(out.typed));
    out.typed.clear();
    out.raw.clear();
    in_word = false;
  };
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    if (out.quote == 0 && (c == ' ' || c == '\t')) {
      end_word();
      continue;
    }
    if (out.quote == 0 && k_ends_command.find(c) != std::string_view::npos) {
      out = {};
      in_word = false;
      continue;
    }
    in_word = true;
    out.raw += c;
    if (out.quote == 0 && (c == '\'' || c == '"')) {
      out.quote = c;
    } else if (c == out.quote && out.quote != 0) {
      out.quote = 0;
    } else if (c == '\\' && out.quote != '\'' && i + 1 < line.size()) {
      out.raw += line[++i];
      out.typed += line[i];
    } else {
      out.typed += c;
    }
  }
  return out;
}

std::string escape_for_bash(std::string_view text, char quote) {
  if (quote != 0) return std::string(text);
  std::string out;
  for (const char c : text) {
    if (k_special.find(c) != std::string_view::npos) out += '\\';
    out += c;
  }
  return out;
}

} // namespace mrun::cli
