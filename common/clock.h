// Time as a seam: code that waits or stamps takes a Clock, tests give one that they move by hand.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace mrun {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual std::int64_t monotonic_ns() const = 0; // CLOCK_MONOTONIC: durations and timeouts
  virtual std::int64_t wall_ns() const = 0;      // since 1970-01-01 UTC: stamps that people read
};

const Clock& system_clock();

class ManualClock : public Clock {
 public:
  std::int64_t monotonic_ns() const override { return m_monotonic_ns; }
  std::int64_t wall_ns() const override { return m_wall_ns; }
  void advance_ns(std::int64_t by_ns) {
    m_monotonic_ns += by_ns;
    m_wall_ns += by_ns;
  }
  void set_wall_ns(std::int64_t wall_ns) { m_wall_ns = wall_ns; }

 private:
  std::int64_t m_monotonic_ns = 1'000'000'000;
  std::int64_t m_wall_ns = 1'700'000'000'000'000'000;
};

// RFC 3339, UTC, microseconds: 2026-11-24T20:44:19.000000Z (as Replicate writes it).
std::string rfc3339_utc(std::int64_t wall_ns);
// A date (midnight UTC) or a date and time of RFC 3339 with `Z` or an offset, years 1970 to 2200; a fraction
// beyond nanoseconds is cut. nullopt for anything else.
std::optional<std::int64_t> parse_rfc3339(std::string_view text);

} // namespace mrun
