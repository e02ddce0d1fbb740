// epoll, waited on by the nanosecond.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <sys/epoll.h>

#include "common/error.h"
#include "common/fd.h"

namespace mrun::bench {

// What it watches leaves it by being closed. One thread.
class Poller {
 public:
  static Result<Poller> create(); // error resources

  // `key` comes back in the event's data.u64.
  void add(int fd, std::uint32_t events, std::uint64_t key) { control(EPOLL_CTL_ADD, fd, events, key); }
  void change(int fd, std::uint32_t events, std::uint64_t key) { control(EPOLL_CTL_MOD, fd, events, key); }
  // What is ready, at once or within that time; valid until the next call. Error resources.
  Result<std::span<const epoll_event>> wait(std::int64_t wait_ns);

 private:
  explicit Poller(UniqueFd fd) : m_fd(std::move(fd)) {}
  void control(int operation, int fd, std::uint32_t events, std::uint64_t key);

  UniqueFd m_fd;
  std::array<epoll_event, 64> m_events{};
};

} // namespace mrun::bench
