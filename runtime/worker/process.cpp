#include "runtime/worker/process.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>

#include <dirent.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/fd.h"

namespace mrun {
namespace {

constexpr rlim_t k_max_open_files = 4096; // input files of 256 predictions at once, and room
constexpr int k_oom_score_adj = 500;      // of 1000: before the daemon and what else the user runs

// Only ever lowered. There is no limit of processes: RLIMIT_NPROC counts those of the whole user, so it would
// stop other programs, and root is exempt.
void lower_limits() {
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  rlimit files{};
  if (::getrlimit(RLIMIT_NOFILE, &files) < 0) return;
  files.rlim_max = std::min(files.rlim_max, k_max_open_files);
  files.rlim_cur = std::min(files.rlim_cur, files.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &files);
}

// When memory is short, the kernel ends a worker first. Raising the score needs no privilege; without /proc
// the worker does as well.
void offer_to_oom_killer() {
  const UniqueFd file(::open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC));
  std::array<char, 16> text{};
  const ssize_t got = file ? ::read(file.get(), text.data(), text.size()) : -1;
  int score = 0;
  if (got <= 0 || std::from_chars(text.data(), text.data() + got, score).ec != std::errc()) return;
  if (score >= k_oom_score_adj) return;
  const auto end = std::to_chars(text.data(), text.data() + text.size(), k_oom_score_adj).ptr;
  (void)!::pwrite(file.get(), text.data(), static_cast<std::size_t>(end - text.data()), 0);
}

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
  ::sigprocmask(SIG_SETMASK, &none, nullptr); // one thread
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
  lower_limits();
  offer_to_oom_killer();
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

// Limits and the OOM score are handed down by fork.
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
  while (const dirent* entry = ::readdir(folder)) // its own stream
    count += entry->d_name[0] != '.' ? 1 : 0;
  ::closedir(folder);
  return count;
}

} // namespace mrun
