#include "cli/config_edit.h"

#include "common/text.h"

namespace mrun::cli {

std::string with_top_key(std::string_view text, std::string_view key, std::string_view block) {
  const std::string head = std::string(key) + ":";
  std::string result;
  bool is_inside = false, is_written = false;
  if (text.ends_with('\n')) text.remove_suffix(1);
  if (!text.empty())
    for (const std::string_view line : split(text, '\n')) {
      const bool is_more =
          line.empty() || std::string_view(" \t}]-").find(line.front()) != std::string_view::npos;
      if (is_inside && is_more) continue;
      is_inside = line.starts_with(head);
      if (is_inside && !is_written) {
        result += block;
        is_written = true;
      }
      if (!is_inside) result += std::string(line) + "\n";
    }
  if (!is_written) result += block;
  return result;
}

} // namespace mrun::cli
