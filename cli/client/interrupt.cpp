#include "cli/client/interrupt.h"

#include <atomic>
#include <cerrno>
#include <csignal>

#include <fcntl.h>
#include <unistd.h>

namespace mrun::cli {
namespace {

// A signal handler can only reach globals; InterruptGuard is the one that sets them.
std::atomic<int> g_write_end{-1};
std::atomic<int> g_signal{0};
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void on_signal(int signal_number) {
  const int saved_errno = errno;
  if (g_signal.exchange(signal_number) != 0) ::_exit(128 + signal_number);
  const int fd = g_write_end.load();
  const char byte = 1;
  if (fd >= 0 && ::write(fd, &byte, 1) < 0) ::_exit(128 + signal_number);
  errno = saved_errno;
}

constexpr int k_signals[] = {SIGINT, SIGTERM};

// What is ignored stays so: a shell starts what runs in the background that way.
void set_handler(void (*handler)(int)) {
  for (const int signal_number : k_signals) {
    struct sigaction action {};
    ::sigaction(signal_number, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;
    action = {};
    action.sa_handler = handler;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(signal_number, &action, nullptr);
  }
}

} // namespace

Result<InterruptGuard> InterruptGuard::install() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
    return fail_errno(ErrorCode::resources, errno, "can't make a pipe");
  return InterruptGuard(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

InterruptGuard::InterruptGuard(UniqueFd read_end, UniqueFd write_end)
    : m_read_end(std::move(read_end)),
      m_write_end(std::move(write_end)) {
  g_signal = 0;
  g_write_end = m_write_end.get();
  set_handler(on_signal);
}

InterruptGuard::InterruptGuard(InterruptGuard&&) noexcept = default;

InterruptGuard::~InterruptGuard() {
  if (!m_write_end) return; // moved from
  set_handler(SIG_DFL);
  g_write_end = -1;
}

int InterruptGuard::exit_code() const {
  return last_exit_code();
}

int InterruptGuard::last_exit_code() {
  const int signal_number = g_signal.load();
  return signal_number == 0 ? 0 : 128 + signal_number;
}

} // namespace mrun::cli
