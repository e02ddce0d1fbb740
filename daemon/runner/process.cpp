#include "daemon/runner/process.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mrun {
namespace {

constexpr int k_control_fd = 3; // of the child

// pidfd_open and pidfd_send_signal by number: glibc 2.36 declares them without extern "C".

// posix_spawn's two argument blocks, freed together.
class SpawnSettings {
 public:
  SpawnSettings() {
    posix_spawn_file_actions_init(&m_actions);
    posix_spawnattr_init(&m_attributes);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&m_actions);
    posix_spawnattr_destroy(&m_attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  // The output goes first: it may be descriptor 3 here, which the control socket then takes.
  int set(const SpawnRequest& request) {
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    int failed = posix_spawn_file_actions_addopen(&m_actions, 0, "/dev/null", O_RDONLY, 0);
    failed |= posix_spawn_file_actions_adddup2(&m_actions, request.output_fd, 1);
    failed |= posix_spawn_file_actions_adddup2(&m_actions, 1, 2);
    failed |= posix_spawn_file_actions_adddup2(&m_actions, request.control_fd, k_control_fd);
    failed |= posix_spawn_file_actions_addclosefrom_np(&m_actions, k_control_fd + 1);
    failed |= posix_spawnattr_setsigdefault(&m_attributes, &all);
    failed |= posix_spawnattr_setsigmask(&m_attributes, &none);
    failed |= posix_spawnattr_setflags(&m_attributes,
                                       POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
    return failed;
  }
  const posix_spawn_file_actions_t* actions() const { return &m_actions; }
  const posix_spawnattr_t* attributes() const { return &m_attributes; }

 private:
  posix_spawn_file_actions_t m_actions;
  posix_spawnattr_t m_attributes;
};

std::vector<char*> c_strings(const std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (const std::string& text : texts)
    pointers.push_back(const_cast<char*>(text.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

} // namespace

Result<Child> spawn_child(const SpawnRequest& request) {
  SpawnSettings settings;
  if (const int failed = settings.set(request); failed != 0)
    return fail_errno(ErrorCode::resources, ENOMEM,
                      fmt::format("can't prepare to start {}", request.program));
  std::vector<std::string> arguments = request.arguments;
  arguments.insert(arguments.begin(), request.program);
  Child child;
  const int failed =
      posix_spawn(&child.pid, request.program.c_str(), settings.actions(), settings.attributes(),
                  c_strings(arguments).data(), c_strings(request.environment).data());
  if (failed == ENOENT || failed == EACCES)
    return fail(ErrorCode::engine_missing,
                fmt::format("can't start {}: {}", request.program, std::strerror(failed)),
                "install mrun again: its worker program is missing");
  if (failed != 0)
    return fail_errno(ErrorCode::resources, failed, fmt::format("can't start {}", request.program));
  child.pidfd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pidfd) { // not even a descriptor: without it the end of the child would go unseen
    const int error_number = errno;
    ::kill(-child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    return fail_errno(ErrorCode::resources, error_number, fmt::format("can't watch {}", request.program));
  }
  return child;
}

ExitStatus reap_child(const Child& child, std::chrono::milliseconds limit) {
  ::kill(-child.pid, SIGKILL); // the rest of its group; not reaped yet, so the id can't be another's
  if (limit.count() > 0) {
    pollfd ended{child.pidfd.get(), POLLIN, 0};
    ::poll(&ended, 1, static_cast<int>(limit.count()));
  }
  siginfo_t info{};
  int result = 0;
  do
    result = ::waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED | WNOHANG);
  while (result < 0 && errno == EINTR);
  if (result < 0 || info.si_pid == 0) return {};
  if (info.si_code == CLD_EXITED) return {ExitStatus::Kind::exited, info.si_status};
  return {ExitStatus::Kind::signaled, info.si_status};
}

void signal_group(const Child& child, int signal) {
  if (child.pid <= 0) return;
  // A child of the zygote may not lead its group yet; then there is no such group.
  if (::kill(-child.pid, signal) != 0 || signal == SIGKILL)
    ::syscall(SYS_pidfd_send_signal, child.pidfd.get(), signal, nullptr, 0);
}

std::string signal_text(int signal) {
  const char* name = ::sigabbrev_np(signal);
  const char* words = ::sigdescr_np(signal);
  if (name == nullptr || words == nullptr) return fmt::format("signal {}", signal);
  return fmt::format("SIG{} ({})", name, words);
}

} // namespace mrun
