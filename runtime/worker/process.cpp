#include "runtime/worker/process.h"

#include <cerrno>
#include <csignal>
#include <cstdio>

#include <dirent.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mrun {
namespace {

Result<void> die_with_parent() {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
    return fail_errno(ErrorCode::internal, errno, "can't ask for the parent-death signal");
  return {};
}

// A worker that is started in a terminal's session would get its Ctrl-C. A leader already has its own.
void own_session() {
  (void)::setsid();
}

void reset_signals() {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr); // NOLINT(concurrency-mt-unsafe): one thread
  for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGCHLD})
    ::signal(number, SIG_DFL);
  ::signal(SIGPIPE, SIG_IGN); // a daemon that is gone is noticed by the error
}

void close_inherited() {
  if (::syscall(SYS_close_range, k_control_fd + 1, ~0U, 0) == 0) return;
  const long limit = ::sysconf(_SC_OPEN_MAX);
  for (int fd = k_control_fd + 1; fd < limit; ++fd)
    ::close(fd);
}

} // namespace

Result<void> harden_process() {
  ::umask(077);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
    return fail_errno(ErrorCode::internal, errno, "can't set no_new_privs");
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  close_inherited();
  reset_signals();
  ::setvbuf(stdout, nullptr, _IOLBF, 0); // a pipe: lines must not die in a buffer with the process
  own_session();
  MRUN_TRY(die_with_parent());
  // The parent may have ended before the request above: then its end of the socket is closed.
  pollfd control{k_control_fd, 0, 0};
  if (::poll(&control, 1, 0) < 0 || (control.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0)
    return fail(ErrorCode::worker_crashed,
                "descriptor 3 is not a control socket with somebody at the other end");
  return {};
}

Result<void> harden_child(int parent_pid) {
  own_session();
  MRUN_TRY(die_with_parent());
  if (::getppid() != parent_pid) return fail(ErrorCode::worker_crashed, "the zygote ended while it forked");
  return {};
}

int thread_count() {
  DIR* folder = ::opendir("/proc/self/task");
  if (folder == nullptr) return 0;
  int count = 0;
  while (const dirent* entry = ::readdir(folder)) // NOLINT(concurrency-mt-unsafe): its own stream
    count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(folder);
  return count;
}

} // namespace mrun
