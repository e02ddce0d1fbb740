#include "packager/registry/retry.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <ctime>
#include <random>

#include <curl/curl.h>
#include <poll.h>

namespace mrun {
namespace {

constexpr std::chrono::milliseconds k_first_wait{250};
constexpr std::chrono::milliseconds k_longest_wait{16'000};
constexpr std::chrono::seconds k_longest_asked_wait{60};

std::chrono::milliseconds jittered(std::chrono::milliseconds most) {
  thread_local std::minstd_rand random{std::random_device{}()};
  return std::chrono::milliseconds(
      std::uniform_int_distribution<std::int64_t>(most.count() / 2, most.count())(random));
}

// True: the whole time passed.
bool sleep_unless(int interrupt_fd, std::chrono::milliseconds time) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (true) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(end - std::chrono::steady_clock::now()).count();
    pollfd interrupt{interrupt_fd, POLLIN, 0}; // a negative descriptor is ignored
    const int ready = ::poll(&interrupt, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
    if (ready > 0) return false;
    if (left <= 0 || (ready < 0 && errno != EINTR)) return true;
  }
}

} // namespace

Result<bool> Retry::again(std::optional<std::chrono::seconds> asked_for, int attempts) {
  if (++m_attempt >= attempts || (asked_for && *asked_for > k_longest_asked_wait)) return false;
  if (m_clock.monotonic_ns() - m_since_ns > std::chrono::nanoseconds(k_deadline).count()) return false;
  // Never less than the backoff: 0, or a date that is past by this clock, is no leave to hammer.
  auto wait = jittered(std::min(k_longest_wait, k_first_wait * (1 << (m_attempt - 1))));
  if (asked_for) wait = std::max(wait, std::chrono::milliseconds(*asked_for) + jittered(k_first_wait));
  MRUN_TRY(pause(m_interrupt_fd, wait));
  return true;
}

Result<void> pause(int interrupt_fd, std::chrono::milliseconds time) {
  if (!sleep_unless(interrupt_fd, time)) return fail(ErrorCode::interrupted_by_user, "interrupted");
  return {};
}

void Retry::progressed(std::uint64_t bytes) {
  m_bytes += bytes;
  if (m_bytes < k_progress_bytes) return;
  m_bytes = 0;
  m_attempt = 0;
  m_since_ns = m_clock.monotonic_ns();
}

std::optional<std::chrono::seconds> retry_after(const HttpReply& reply) {
  const std::string text = reply.header("retry-after");
  if (text.empty()) return std::nullopt;
  std::int64_t seconds = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (failed == std::errc() && end == text.data() + text.size() && seconds >= 0)
    return std::chrono::seconds(std::min<std::int64_t>(seconds, 1'000'000));
  const std::time_t date = curl_getdate(text.c_str(), nullptr);
  if (date < 0) return std::nullopt;
  return std::chrono::seconds(std::clamp<std::int64_t>(date - std::time(nullptr), 0, 1'000'000));
}

bool is_worth_retrying(const Error& error) {
  return error.code == ErrorCode::registry_unreachable;
}

bool is_worth_retrying(const HttpReply& reply) {
  return reply.status == 408 || reply.status == 429 || (reply.status >= 500 && reply.status != 501);
}

} // namespace mrun
