#include "cli/complete/typed_line.h"

namespace mrun::cli {
namespace {

constexpr std::string_view k_ends_command = ";|&\n";
constexpr std::string_view k_special = " \t\n\\'\"`$&|;<>()*?[]#!{}~^";
constexpr std::string_view k_special_in_double = "\\\"`$";

} // namespace

TypedLine take_apart(std::string_view line) {
  TypedLine out;
  bool in_word = false;
  const auto end_word = [&] {
    std::vector<std::string> words = std::move(out.words);
    if (in_word) words.push_back(std::move(out.typed));
    out = {};
    out.words = std::move(words);
    in_word = false;
  };
  const auto take_raw = [&](char c, bool is_bare) {
    out.raw += c;
    out.typed_before.push_back(out.typed.size());
    out.is_bare.push_back(is_bare);
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
    if (out.quote == 0 && (c == '\'' || c == '"')) {
      take_raw(c, false);
      out.quote = c;
      out.quoted_from = out.raw.size();
    } else if (c == out.quote && out.quote != 0) {
      take_raw(c, false);
      out.quote = 0;
    } else if (c == '\\' && out.quote != '\'' && i + 1 < line.size()) {
      take_raw(c, false);
      // Inside of double quotes it is itself before all but these.
      if (out.quote != 0 && k_special_in_double.find(line[i + 1]) == std::string_view::npos) out.typed += c;
      take_raw(line[++i], false);
      out.typed += line[i];
    } else {
      take_raw(c, out.quote == 0);
      out.typed += c;
    }
  }
  return out;
}

std::string escape_for_bash(std::string_view text, char quote) {
  const std::string_view special = quote == '"' ? k_special_in_double
                                   : quote == 0 ? std::string_view(k_special)
                                                : std::string_view();
  std::string out;
  for (const char c : text) {
    if (quote == '\'' && c == '\'')
      out += "'\\''";
    else if (quote == '"' && c == '!')
      out += "\"'!'\""; // a backslash before it would stay: the quote is left for it
    else if (special.find(c) != std::string_view::npos)
      (out += '\\') += c;
    else
      out += c;
  }
  return out;
}

} // namespace mrun::cli
