#include "daemon/app/instance.h"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/shell_word.h"
#include "common/text.h"
#include "common/unix_socket.h"

namespace mrun {
namespace {

constexpr int k_backlog = 256;
constexpr std::size_t k_max_pid_bytes = 32;

// The umask of this process while an object of this is alive. Only at start, when there is one thread that
// makes files.
class PrivateUmask {
 public:
  PrivateUmask() : m_before(::umask(0177)) {}
  ~PrivateUmask() { ::umask(m_before); }
  PrivateUmask(const PrivateUmask&) = delete;
  PrivateUmask& operator=(const PrivateUmask&) = delete;

 private:
  mode_t m_before;
};

std::string holder_of(int lock_fd) {
  std::string text(k_max_pid_bytes, '\0');
  const ssize_t got = ::pread(lock_fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<std::size_t>(got) : 0);
  return text.substr(0, text.find('\n'));
}

// `listener`: the process that made the socket, when that is another one; 0 for none.
Result<void> write_holder(int lock_fd, const HomePaths& home, int listener = 0) {
  const std::string path = home.daemon_lock().string();
  if (::ftruncate(lock_fd, 0) < 0 || ::lseek(lock_fd, 0, SEEK_SET) < 0)
    return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't write {}", path));
  std::string text = fmt::format("{}\n{}\n", ::getpid(), home.socket.string());
  if (listener != 0) text += fmt::format("{}\n", listener);
  return write_all(lock_fd, text, path);
}

Result<UniqueFd> make_socket() {
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(ErrorCode::daemon_start, errno, "can't make a socket");
  return fd;
}

Result<bool> is_answered(const std::string& path) {
  MRUN_ASSIGN(const sockaddr_un address, socket_address(path));
  MRUN_ASSIGN(const UniqueFd fd, make_socket());
  const int connected = ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
  return connected == 0 || errno == EAGAIN; // EAGAIN: its queue is full, so somebody listens
}

Result<void> remove_stale_socket(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) return {};
  if (!S_ISSOCK(status.st_mode))
    return fail(ErrorCode::daemon_start, fmt::format("{} is in the way and not a socket", path),
                fmt::format("look at it, then rm {}", shell_word(path)));
  if (::unlink(path.c_str()) < 0 && errno != ENOENT)
    return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't remove the old socket {}", path));
  return {};
}

} // namespace

Result<UniqueFd> take_instance_lock(const HomePaths& home) {
  const std::string path = home.daemon_lock().string();
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't open {}", path));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) < 0) {
    if (errno != EWOULDBLOCK)
      return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't lock {}", path));
    const std::string pid = holder_of(fd.get());
    return fail(ErrorCode::daemon_running,
                pid.empty() ? "another daemon is just starting for this home"
                            : fmt::format("process {} is the daemon of this home", printable(pid, 20)));
  }
  MRUN_TRY(write_holder(fd.get(), home));
  return fd;
}

Result<UniqueFd> listen_on_socket(HomePaths& home, int lock_fd) {
  // Daemons of several homes may start at once in one session: one after the other looks and takes its place.
  const UniqueFd folder(::open(home.socket.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (folder) (void)::flock(folder.get(), LOCK_EX); // for microseconds; without it only the race is back
  MRUN_ASSIGN(const bool taken, is_answered(home.socket.string()));
  if (taken && home.spare_socket.empty())
    return fail(ErrorCode::daemon_running,
                fmt::format("another program listens on {}", home.socket.string()));
  if (taken) {
    home.socket = home.spare_socket;
    MRUN_TRY(write_holder(lock_fd, home));
  }
  const std::string path = home.socket.string();
  MRUN_ASSIGN(const sockaddr_un address, socket_address(path));
  MRUN_TRY(remove_stale_socket(path));
  MRUN_ASSIGN(UniqueFd fd, make_socket());
  const PrivateUmask umask;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't bind {}", path));
  if (::listen(fd.get(), k_backlog) < 0)
    return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't listen on {}", path));
  return fd;
}

Result<UniqueFd> adopt_socket(HomePaths& home, int lock_fd, UniqueFd socket) {
  sockaddr_un address{};
  socklen_t size = sizeof address;
  ucred maker{};
  socklen_t maker_size = sizeof maker;
  if (::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &size) < 0 ||
      ::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &maker, &maker_size) < 0)
    return fail_errno(ErrorCode::daemon_start, errno, "can't look at the service manager's socket");
  home.socket = std::string(address.sun_path, ::strnlen(address.sun_path, sizeof address.sun_path));
  MRUN_TRY(write_holder(lock_fd, home, maker.pid));
  return socket;
}

} // namespace mrun
