// A path inside a bundle, checked once. Whoever holds a SafePath may join it to a folder.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

class SafePath {
 public:
  // Relative, valid UTF-8, at most 4096 bytes and 255 a part; no absolute path, drive, `.`, `..`, empty part,
  // NUL, control character, backslash, and no part that ends with a dot or a space. Error: path_refused, with
  // the offending path (escaped) and the reason.
  static Result<SafePath> parse(std::string_view text);

  const std::string& text() const { return m_text; }
  std::string_view file_name() const;
  auto operator<=>(const SafePath&) const = default;

 private:
  explicit SafePath(std::string text) : m_text(std::move(text)) {}
  std::string m_text;
};

// The key under which two paths collide on a case-insensitive file system: ASCII lower case.
std::string case_fold_key(std::string_view path);

} // namespace mrun
