#include "common/log.h"

#include <array>
#include <atomic>

#include <unistd.h>

#include "common/clock.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::array<std::string_view, 4> k_names = {"error", "warn", "info", "debug"};
// A level is read by every thread and set once at start; it is the only global of the logger.
std::atomic<LogLevel> g_level{LogLevel::warn};

} // namespace

void set_log_level(LogLevel level) {
  g_level.store(level, std::memory_order_relaxed);
}

bool set_log_level(std::string_view name) {
  for (std::size_t i = 0; i < k_names.size(); ++i)
    if (k_names[i] == name) {
      set_log_level(static_cast<LogLevel>(i));
      return true;
    }
  return false;
}

LogLevel log_level() {
  return g_level.load(std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view text) {
  const std::string line = fmt::format("{} {:<5} {}\n", rfc3339_utc(system_clock().wall_ns()),
                                       k_names[static_cast<std::size_t>(level)], printable(text, 4000));
  // A log that can't be written has nobody to tell.
  [[maybe_unused]] const ssize_t done = ::write(STDERR_FILENO, line.data(), line.size());
}

} // namespace mrun
