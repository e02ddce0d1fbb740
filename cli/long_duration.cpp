#include "cli/long_duration.h"

#include <charconv>

namespace mrun::cli {
namespace {

// 0 for another letter.
std::int64_t seconds_of(char unit) {
  switch (unit) {
  case 's':
    return 1;
  case 'm':
    return 60;
  case 'h':
    return 3600;
  case 'd':
    return 24 * 3600;
  case 'w':
    return 7 * 24 * 3600;
  default:
    return 0;
  }
}

} // namespace

std::optional<std::int64_t> parse_long_duration(std::string_view text, std::int64_t most_s) {
  std::int64_t count = 0;
  const char* const last = text.data() + text.size();
  const auto [end, error] = std::from_chars(text.data(), last, count);
  const std::int64_t unit_s = error == std::errc() && end + 1 == last ? seconds_of(*end) : 0;
  if (unit_s == 0 || count < 0 || count > most_s / unit_s) return std::nullopt;
  return count * unit_s;
}

} // namespace mrun::cli
