#include "daemon/runner/machine_time.h"

#include <algorithm>

#include "common/error.h"

namespace mrun {
namespace {

constexpr int k_fraction_bits = 32;

} // namespace

SharedTime SharedClock::reading(std::int64_t now_ns) const {
  if (m_members == 0 || m_paused || now_ns <= m_last_ns) return m_reading;
  const auto passed = static_cast<SharedTime>(now_ns - m_last_ns) << k_fraction_bits;
  return m_reading + passed / static_cast<SharedTime>(m_members);
}

void SharedClock::advance(std::int64_t now_ns) {
  m_reading = reading(now_ns);
  m_last_ns = std::max(m_last_ns, now_ns);
}

SharedTime SharedClock::join(std::int64_t now_ns) {
  advance(now_ns);
  ++m_members;
  return m_reading;
}

std::int64_t SharedClock::share(SharedTime joined, std::int64_t now_ns) const {
  return static_cast<std::int64_t>((reading(now_ns) - joined) >> k_fraction_bits);
}

std::int64_t SharedClock::leave(SharedTime joined, std::int64_t now_ns) {
  MRUN_CHECK(m_members > 0);
  advance(now_ns);
  const std::int64_t share_ns = share(joined, now_ns);
  --m_members;
  return share_ns;
}

void SharedClock::pause(bool paused, std::int64_t now_ns) {
  advance(now_ns);
  m_paused = paused;
}

SharedTime MachineTime::begin_work(std::int64_t now_ns) {
  m_idle.pause(true, now_ns);
  return m_work.join(now_ns);
}

std::int64_t MachineTime::end_work(SharedTime began, std::int64_t now_ns) {
  const std::int64_t share_ns = m_work.leave(began, now_ns);
  if (m_work.is_empty()) m_idle.pause(false, now_ns);
  return share_ns;
}

std::int64_t scaled_share(std::int64_t duration_ns, std::int64_t share_ns, std::int64_t occupied_ns) {
  if (share_ns >= occupied_ns || occupied_ns <= 0) return duration_ns;
  return static_cast<std::int64_t>(static_cast<SharedTime>(duration_ns) * static_cast<SharedTime>(share_ns) /
                                   static_cast<SharedTime>(occupied_ns));
}

} // namespace mrun
