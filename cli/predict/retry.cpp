#include "cli/predict/retry.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::cli {
namespace {

constexpr std::chrono::milliseconds k_longest_wait{30'000};

} // namespace

std::optional<std::chrono::milliseconds> Retry::next(const Error& error,
                                                     std::optional<std::chrono::seconds> after) {
  const bool is_final = !error.row().retryable || error.code == ErrorCode::client_timeout ||
                        error.code == ErrorCode::interrupted_by_user;
  if (is_final || m_left <= 0) return std::nullopt;
  --m_left;
  const std::chrono::milliseconds wait = m_wait;
  m_wait = std::min(m_wait * 2, k_longest_wait);
  return after ? std::chrono::milliseconds(*after) : wait;
}

std::string again_words(std::chrono::milliseconds wait, const Error& error) {
  return fmt::format("again in {}: {}", format_duration(std::chrono::nanoseconds(wait).count()),
                     error.message);
}

} // namespace mrun::cli
