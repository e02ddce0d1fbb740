#include "daemon/app/service_manager.h"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace mrun {
namespace {

constexpr int k_first_fd = 3; // SD_LISTEN_FDS_START

// The variable's value, which is removed.
std::string take_variable(const char* name) {
  const char* value = std::getenv(name);
  std::string text = value != nullptr ? value : "";
  ::unsetenv(name);
  return text;
}

std::optional<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t number = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

int socket_option(int fd, int name) {
  int value = -1;
  socklen_t size = sizeof value;
  return ::getsockopt(fd, SOL_SOCKET, name, &value, &size) == 0 ? value : -1;
}

bool listens_on_unix_path(int fd) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  if (::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) < 0) return false;
  return address.sun_family == AF_UNIX && size > offsetof(sockaddr_un, sun_path) &&
         address.sun_path[0] != '\0' && socket_option(fd, SO_TYPE) == SOCK_STREAM &&
         socket_option(fd, SO_ACCEPTCONN) == 1;
}

} // namespace

Result<std::optional<UniqueFd>> take_activated_socket() {
  const std::optional<std::uint64_t> process = number_of(take_variable("LISTEN_PID"));
  const std::optional<std::uint64_t> count = number_of(take_variable("LISTEN_FDS"));
  take_variable("LISTEN_FDNAMES");
  take_variable("LISTEN_PIDFDID");
  if (process != static_cast<std::uint64_t>(::getpid()) || !count || *count == 0) return std::nullopt;
  if (*count > 1)
    return fail(ErrorCode::daemon_start,
                fmt::format("the service manager gave {} sockets, mrund takes one", *count),
                "leave one ListenStream= in the socket unit");
  UniqueFd fd(k_first_fd);
  if (::fcntl(fd.get(), F_SETFD, FD_CLOEXEC) < 0 || !listens_on_unix_path(fd.get())) {
    return fail(ErrorCode::daemon_start, "what the service manager gave is no socket that listens on a path",
                "the socket unit needs ListenStream=/a/path");
  }
  MRUN_TRY(set_nonblocking(fd.get()));
  return std::optional<UniqueFd>(std::move(fd));
}

Notifier Notifier::from_environment() {
  Notifier notifier;
  notifier.m_socket = take_variable("NOTIFY_SOCKET");
  const std::optional<std::uint64_t> period = number_of(take_variable("WATCHDOG_USEC"));
  const std::string process = take_variable("WATCHDOG_PID");
  const bool is_ours = process.empty() || number_of(process) == static_cast<std::uint64_t>(::getpid());
  if (period && *period > 1 && *period < INT64_MAX && is_ours && !notifier.m_socket.empty())
    notifier.m_watchdog = std::chrono::microseconds(static_cast<std::int64_t>(*period / 2));
  return notifier;
}

void Notifier::tell(std::string_view state) const {
  sockaddr_un address{};
  if (m_socket.size() < 2 || m_socket.size() >= sizeof address.sun_path ||
      (m_socket[0] != '/' && m_socket[0] != '@'))
    return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, m_socket.data(), m_socket.size());
  if (address.sun_path[0] == '@') address.sun_path[0] = '\0';
  const UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + m_socket.size());
  (void)!::sendto(fd.get(), state.data(), state.size(), MSG_NOSIGNAL,
                  reinterpret_cast<const sockaddr*>(&address), size);
}

} // namespace mrun
