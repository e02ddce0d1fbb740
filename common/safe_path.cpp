#include "common/safe_path.h"

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

// Why a part of a path is refused; empty when it is fine.
std::string_view part_problem(std::string_view part) {
  if (part.empty()) return "has an empty part";
  if (part == "." || part == "..") return "has a `.` or `..` part";
  if (part.size() > 255) return "has a part of over 255 bytes";
  if (part.back() == '.' || part.back() == ' ') return "has a part that ends with a dot or a space";
  for (const char c : part)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f || c == '\\')
      return "has a control character or a backslash";
  return {};
}

std::string_view path_problem(std::string_view text) {
  if (text.empty()) return "is empty";
  if (text.size() > k_max_path_bytes) return "has over 4096 bytes";
  if (text.front() == '/') return "is absolute";
  if (text.size() >= 2 && text[1] == ':') return "begins with a drive";
  if (!is_valid_utf8(text)) return "is not valid UTF-8";
  for (const std::string_view part : split(text, '/'))
    if (const std::string_view problem = part_problem(part); !problem.empty()) return problem;
  return {};
}

} // namespace

Result<SafePath> SafePath::parse(std::string_view text) {
  if (const std::string_view problem = path_problem(text); !problem.empty())
    return fail(ErrorCode::path_refused, fmt::format("path `{}` {}", printable(text, 200), problem));
  return SafePath(std::string(text));
}

std::string_view SafePath::file_name() const {
  const std::size_t slash = m_text.rfind('/');
  return slash == std::string::npos ? std::string_view(m_text) : std::string_view(m_text).substr(slash + 1);
}

std::string case_fold_key(std::string_view path) {
  std::string key(path);
  for (char& c : key)
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  return key;
}

} // namespace mrun
