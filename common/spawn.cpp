#include "common/spawn.h"

#include <csignal>

#include <fcntl.h>
#include <unistd.h>

namespace mrun {
namespace {

Result<void> prepared(int problem) {
  if (problem != 0) return fail_errno(ErrorCode::resources, problem, "can't prepare a program's start");
  return {};
}

} // namespace

SpawnSetup::SpawnSetup() {
  ::posix_spawn_file_actions_init(&m_actions);
  ::posix_spawnattr_init(&m_attributes);
}

SpawnSetup::~SpawnSetup() {
  ::posix_spawn_file_actions_destroy(&m_actions);
  ::posix_spawnattr_destroy(&m_attributes);
}

Result<void> SpawnSetup::redirect(int fd, int child_fd) {
  return prepared(::posix_spawn_file_actions_adddup2(&m_actions, fd, child_fd));
}

Result<void> SpawnSetup::silence(int child_fd, int flags) {
  return prepared(::posix_spawn_file_actions_addopen(&m_actions, child_fd, "/dev/null", flags, 0));
}

Result<void> SpawnSetup::own_group() {
  MRUN_TRY(prepared(::posix_spawnattr_setpgroup(&m_attributes, 0)));
  return prepared(::posix_spawnattr_setflags(&m_attributes, POSIX_SPAWN_SETPGROUP));
}

Result<void> SpawnSetup::detach(int output_fd, int control_fd) {
  MRUN_TRY(silence(STDIN_FILENO, O_RDONLY));
  // The output goes first: it may be descriptor 3 here.
  MRUN_TRY(redirect(output_fd, STDOUT_FILENO));
  MRUN_TRY(redirect(STDOUT_FILENO, STDERR_FILENO));
  MRUN_TRY(redirect(control_fd, k_child_control_fd));
  MRUN_TRY(prepared(::posix_spawn_file_actions_addclosefrom_np(&m_actions, k_child_control_fd + 1)));
  sigset_t signals;
  ::sigemptyset(&signals);
  MRUN_TRY(prepared(::posix_spawnattr_setsigmask(&m_attributes, &signals)));
  ::sigfillset(&signals);
  MRUN_TRY(prepared(::posix_spawnattr_setsigdefault(&m_attributes, &signals)));
  return prepared(::posix_spawnattr_setflags(&m_attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGDEF |
                                                                POSIX_SPAWN_SETSIGMASK));
}

} // namespace mrun
