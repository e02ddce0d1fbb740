// Talk of the daemon and the workers: one line a call, to standard error, never a result.
#pragma once

#include <string_view>

#include <fmt/format.h>

namespace mrun {

enum class LogLevel { error, warn, info, debug };

// From MRUN_LOG (error|warn|info|debug); default info for the daemon, warn for others.
void set_log_level(LogLevel level);
bool set_log_level(std::string_view name); // false: no such level
LogLevel log_level();
// `2026-11-24T20:44:19.000000Z info  text`; control characters of the text are escaped. Thread-safe (one
// write).
void log_line(LogLevel level, std::string_view text);

template<class... Args>
void log(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (level <= log_level()) log_line(level, fmt::format(format, std::forward<Args>(args)...));
}
template<class... Args>
void log_error(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::error, format, std::forward<Args>(args)...);
}
template<class... Args>
void log_warn(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::warn, format, std::forward<Args>(args)...);
}
template<class... Args>
void log_info(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::info, format, std::forward<Args>(args)...);
}
template<class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log(LogLevel::debug, format, std::forward<Args>(args)...);
}

} // namespace mrun
