// When to try again, and when it is enough.
#pragma once

#include <chrono>
#include <functional>
#include <optional>

#include "common/error.h"
#include "packager/registry/http.h"

namespace mrun {

// Full jitter over an exponential backoff (0.25 s doubling to 16 s). A Retry-After of the server counts
// instead, up to 60 s; a longer one ends the attempts. Progress resets the count: a transfer of hours may
// break many times.
class Retry {
 public:
  static constexpr int k_attempts = 6;

  explicit Retry(int interrupt_fd) : m_interrupt_fd(interrupt_fd) {}

  // Waits before the next try. False when there is none: give the error to the user. Error
  // interrupted_by_user.
  Result<bool> again(std::optional<std::chrono::seconds> asked_for = std::nullopt);
  void progressed() { m_attempt = 0; }

 private:
  int m_interrupt_fd;
  int m_attempt = 0;
};

// Retry-After in seconds (RFC 9110 §10.2.3); a date is read as well. nullopt: absent or unreadable.
std::optional<std::chrono::seconds> retry_after(const HttpReply& reply);

bool is_worth_retrying(const Error& error);     // registry_unreachable
bool is_worth_retrying(const HttpReply& reply); // 408, 429, 5xx but 501

} // namespace mrun
