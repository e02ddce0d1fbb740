#include "cli/bench/load/poller.h"

#include <cerrno>

#include <time.h>

namespace mrun::bench {

Result<Poller> Poller::create() {
  UniqueFd fd(::epoll_create1(EPOLL_CLOEXEC));
  if (!fd) return fail_errno(ErrorCode::resources, errno, "can't make an epoll descriptor");
  return Poller(std::move(fd));
}

void Poller::control(int operation, int fd, std::uint32_t events, std::uint64_t key) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = key;
  MRUN_CHECK(::epoll_ctl(m_fd.get(), operation, fd, &event) == 0);
}

Result<std::span<const epoll_event>> Poller::wait(std::int64_t wait_ns) {
  const timespec time{wait_ns / 1'000'000'000, wait_ns % 1'000'000'000};
  const int most = static_cast<int>(m_events.size());
  int ready = ::epoll_pwait2(m_fd.get(), m_events.data(), most, &time, nullptr);
  if (ready < 0 && errno == ENOSYS) // Linux before 5.11
    ready = ::epoll_wait(m_fd.get(), m_events.data(), most, static_cast<int>(wait_ns / 1'000'000));
  if (ready < 0 && errno != EINTR) return fail_errno(ErrorCode::resources, errno, "can't wait for replies");
  return std::span<const epoll_event>(m_events.data(), ready < 0 ? 0 : static_cast<std::size_t>(ready));
}

} // namespace mrun::bench
