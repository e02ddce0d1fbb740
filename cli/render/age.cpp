#include "cli/render/age.h"

#include <fmt/format.h>

#include "common/clock.h"

namespace mrun::cli {

std::string age_text(std::int64_t wall_ns) {
  const std::int64_t seconds = (system_clock().wall_ns() - wall_ns) / 1'000'000'000;
  if (wall_ns == 0) return "";
  if (seconds < 60) return "just now";
  if (seconds < 3600) return fmt::format("{} min ago", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h ago", seconds / 3600);
  return fmt::format("{} days ago", seconds / 86400);
}

} // namespace mrun::cli
