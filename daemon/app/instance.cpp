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

#include "common/text.h"

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

Result<void> remove_stale_socket(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) < 0) return {};
  if (!S_ISSOCK(status.st_mode))
    return fail(ErrorCode::daemon_start, fmt::format("{} is in the way and not a socket", path),
                fmt::format("look at it, then rm {}", path));
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
  if (::ftruncate(fd.get(), 0) < 0)
    return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't write {}", path));
  MRUN_TRY(write_all(fd.get(), fmt::format("{}\n{}\n", ::getpid(), home.socket.string()), path));
  return fd;
}

Result<UniqueFd> listen_on_socket(const HomePaths& home) {
  const std::string path = home.socket.string();
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path)
    return fail(ErrorCode::home_refused, fmt::format("the socket's path {} is too long", path));
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  MRUN_TRY(remove_stale_socket(path));
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return fail_errno(ErrorCode::daemon_start, errno, "can't make a socket");
  const PrivateUmask umask;
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0)
    return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't bind {}", path));
  if (::listen(fd.get(), k_backlog) < 0)
    return fail_errno(ErrorCode::daemon_start, errno, fmt::format("can't listen on {}", path));
  return fd;
}

} // namespace mrun
