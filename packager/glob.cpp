#include "packager/glob.h"

#include <algorithm>
#include <vector>

#include "common/safe_path.h"
#include "common/text.h"

namespace mrun {
namespace {

// One `[…]` at the front of `pattern`; sets what is left behind it. The bracket is known to be closed.
bool match_class(std::string_view pattern, char c, std::string_view& rest) {
  std::size_t i = 1;
  const bool negated = pattern[i] == '!' || pattern[i] == '^';
  i += negated ? 1 : 0;
  bool found = false;
  for (bool first = true; first || pattern[i] != ']'; first = false) {
    const char low = pattern[i];
    const bool range = i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']';
    const char high = range ? pattern[i + 2] : low;
    found = found || (low <= c && c <= high);
    i += range ? 3 : 1;
  }
  rest = pattern.substr(i + 1);
  return found != negated;
}

// One part; iterative with one point of return, so that it is at worst quadratic.
bool match_part(std::string_view pattern, std::string_view text) {
  if (!text.empty() && text[0] == '.' && (pattern.empty() || pattern[0] != '.')) return false;
  std::string_view after_star;
  std::string_view star_text;
  bool has_star = false;
  while (!text.empty()) {
    std::string_view rest;
    if (!pattern.empty() && pattern[0] == '*') {
      has_star = true;
      pattern.remove_prefix(1);
      after_star = pattern;
      star_text = text;
    } else if (!pattern.empty() && pattern[0] == '['
                   ? match_class(pattern, text[0], rest)
                   : !pattern.empty() && (pattern[0] == '?' || pattern[0] == text[0])) {
      pattern = pattern[0] == '[' ? rest : pattern.substr(1);
      text.remove_prefix(1);
    } else if (has_star) {
      star_text.remove_prefix(1);
      text = star_text;
      pattern = after_star;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*') == std::string_view::npos;
}

// Which pattern positions are reachable after the parts read so far: `**` stays or is skipped.
std::vector<bool> reach(const std::vector<std::string_view>& pattern, std::vector<bool> at) {
  for (std::size_t i = 0; i < pattern.size(); ++i)
    if (at[i] && pattern[i] == "**") at[i + 1] = true;
  return at;
}

std::vector<bool> positions_after(const std::vector<std::string_view>& pattern, std::string_view path) {
  std::vector<bool> at(pattern.size() + 1, false);
  at[0] = true;
  at = reach(pattern, std::move(at));
  for (const std::string_view part : split(path, '/')) {
    std::vector<bool> next(pattern.size() + 1, false);
    for (std::size_t i = 0; i < pattern.size(); ++i) {
      if (!at[i]) continue;
      if (pattern[i] == "**")
        next[i] = next[i] || part[0] != '.';
      else if (match_part(pattern[i], part))
        next[i + 1] = true;
    }
    at = reach(pattern, std::move(next));
  }
  return at;
}

bool brackets_closed(std::string_view part) {
  for (std::size_t i = 0; i < part.size(); ++i) {
    if (part[i] != '[') continue;
    std::size_t end = i + 1;
    end += end < part.size() && (part[end] == '!' || part[end] == '^') ? 1 : 0;
    end = part.find(']', end + 1);
    if (end == std::string_view::npos) return false;
    i = end;
  }
  return true;
}

} // namespace

std::string glob_problem(std::string_view pattern) {
  if (const Result<SafePath> path = SafePath::parse(pattern);
      !path) { // `*` and its like are allowed in names
    const std::string& message = path.error().message;
    return message.substr(
        std::min(message.size(), printable(pattern, 200).size() + std::string_view("path `` ").size()));
  }
  for (const std::string_view part : split(pattern, '/')) {
    if (part.find("**") != std::string_view::npos && part != "**")
      return "has `**` inside a part, it must be a part of its own";
    if (!brackets_closed(part)) return "has a `[` without its `]`";
  }
  return {};
}

bool is_glob(std::string_view pattern) {
  return pattern.find_first_of("*?[") != std::string_view::npos;
}

bool glob_match(std::string_view pattern, std::string_view path) {
  const std::vector<std::string_view> parts = split(pattern, '/');
  return positions_after(parts, path)[parts.size()];
}

bool glob_may_match_below(std::string_view pattern, std::string_view folder) {
  const std::vector<std::string_view> parts = split(pattern, '/');
  const std::vector<bool> at = positions_after(parts, folder);
  for (std::size_t i = 0; i < parts.size(); ++i)
    if (at[i]) return true;
  return false;
}

} // namespace mrun
