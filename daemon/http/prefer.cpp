#include "daemon/http/prefer.h"

#include <charconv>
#include <cstdint>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::chrono::seconds k_min_cancel_after{5};
constexpr std::chrono::seconds k_max_cancel_after{7 * 24 * 3600};

// Digits at the front, at most 9 of them, so that sums can't overflow.
bool take_number(std::string_view& text, std::int64_t& value) {
  std::size_t digits = 0;
  while (digits < text.size() && text[digits] >= '0' && text[digits] <= '9')
    ++digits;
  if (digits == 0 || digits > 9) return false;
  std::from_chars(text.data(), text.data() + digits, value);
  text.remove_prefix(digits);
  return true;
}

} // namespace

std::optional<std::chrono::seconds> parse_prefer_wait(std::string_view header) {
  for (std::string_view preference : split(header, ',')) {
    preference = trim(preference);
    if (preference == "wait") return k_max_wait;
    if (!preference.starts_with("wait=")) continue;
    preference.remove_prefix(5);
    std::int64_t seconds = 0;
    if (take_number(preference, seconds) && preference.empty() && seconds >= 1 &&
        seconds <= k_max_wait.count())
      return std::chrono::seconds(seconds);
  }
  return std::nullopt;
}

Result<std::chrono::nanoseconds> parse_cancel_after(std::string_view header) {
  std::string_view rest = trim(header);
  std::string_view units = "hms";
  std::int64_t total_s = 0;
  bool valid = !rest.empty();
  while (valid && !rest.empty()) {
    std::int64_t value = 0;
    valid = take_number(rest, value);
    if (!valid) break;
    if (rest.empty() && units.size() == 3) { // a bare number of seconds
      total_s = value;
      break;
    }
    const std::size_t unit = rest.empty() ? std::string_view::npos : units.find(rest.front());
    valid = unit != std::string_view::npos;
    if (!valid) break;
    total_s += value * (rest.front() == 'h' ? 3600 : rest.front() == 'm' ? 60 : 1);
    units.remove_prefix(unit + 1); // each unit once, in this order
    rest.remove_prefix(1);
  }
  if (!valid)
    return fail(ErrorCode::request_invalid,
                fmt::format("Cancel-After `{}` is not a duration", printable(header, 40)),
                "write it as 30, 30s, 5m or 1h30m45s");
  if (total_s < k_min_cancel_after.count() || total_s > k_max_cancel_after.count())
    return fail(ErrorCode::request_invalid,
                fmt::format("Cancel-After is {} s, allowed are {} s to {} s", total_s,
                            k_min_cancel_after.count(), k_max_cancel_after.count()));
  return std::chrono::nanoseconds(std::chrono::seconds(total_s));
}

} // namespace mrun
