// When to try again, and when it is enough.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "common/clock.h"
#include "common/error.h"
#include "packager/registry/http.h"

namespace mrun {

// Exponential backoff (0.25 s doubling to 16 s) with jitter: half of it to the whole. A Retry-After of the
// server counts instead where it is longer, up to 60 s; one above that ends the attempts. Progress starts the
// count and the deadline anew: a transfer of hours may break many times.
class Retry {
 public:
  static constexpr int k_attempts = 6; // 4 to 8 s
  // Where connections break to a host that has answered before: 40 to 80 s, in which it may restart, or a
  // laptop find another network.
  static constexpr int k_patient_attempts = 11;
  static constexpr std::chrono::minutes k_deadline{10};         // without progress
  static constexpr std::uint64_t k_progress_bytes = 64u * 1024; // less is none: a drip never ends

  explicit Retry(int interrupt_fd, const Clock& clock = system_clock())
      : m_interrupt_fd(interrupt_fd),
        m_clock(clock),
        m_since_ns(clock.monotonic_ns()) {}

  // Waits before the next try. False when there is none: give the error to the user. Error
  // interrupted_by_user.
  Result<bool> again(std::optional<std::chrono::seconds> asked_for = std::nullopt, int attempts = k_attempts);
  void progressed(std::uint64_t bytes);

 private:
  int m_interrupt_fd;
  const Clock& m_clock;
  std::int64_t m_since_ns; // of the last progress
  std::uint64_t m_bytes = 0;
  int m_attempt = 0;
};

// Error interrupted_by_user: the descriptor became readable before the time was over; a negative one never
// does.
Result<void> pause(int interrupt_fd, std::chrono::milliseconds time);
// The same of no time.
inline Result<void> check_interrupt(int interrupt_fd) {
  return pause(interrupt_fd, std::chrono::milliseconds(0));
}

// Retry-After in seconds (RFC 9110 §10.2.3); a date is read as well. nullopt: absent or unreadable.
std::optional<std::chrono::seconds> retry_after(const HttpReply& reply);

bool is_worth_retrying(const Error& error);     // registry_unreachable
bool is_worth_retrying(const HttpReply& reply); // 408, 429, 5xx but 501

} // namespace mrun
