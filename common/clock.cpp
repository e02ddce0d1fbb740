#include "common/clock.h"

#include <ctime>

#include <fmt/format.h>

namespace mrun {
namespace {

std::int64_t read_clock(clockid_t id) {
  timespec now{};
  ::clock_gettime(id, &now);
  return now.tv_sec * 1'000'000'000LL + now.tv_nsec;
}

class SystemClock : public Clock {
 public:
  std::int64_t monotonic_ns() const override { return read_clock(CLOCK_MONOTONIC); }
  std::int64_t wall_ns() const override { return read_clock(CLOCK_REALTIME); }
};

} // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string rfc3339_utc(std::int64_t wall_ns) {
  const std::time_t seconds = wall_ns / 1'000'000'000;
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z", parts.tm_year + 1900, parts.tm_mon + 1,
                     parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                     wall_ns % 1'000'000'000 / 1000);
}

} // namespace mrun
