#include "runtime/worker/zygote.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/text.h"
#include "runtime/messages.h"
#include "runtime/worker/process.h"

namespace mrun {

Result<Zygote::End> Zygote::serve() {
  for (;;) {
    std::vector<pollfd> fds{pollfd{m_socket, POLLIN, 0}};
    for (const auto& [pid, pidfd] : m_children)
      fds.push_back(pollfd{pidfd.get(), POLLIN, 0});
    if (::poll(fds.data(), fds.size(), -1) < 0) {
      if (errno == EINTR) continue;
      return fail_errno(ErrorCode::io, errno, "can't wait for frames");
    }
    MRUN_TRY(reap_ended());
    if (m_is_leaving && m_children.empty()) return End::stopped;
    if (fds.front().revents == 0) continue;
    MRUN_ASSIGN(const bool go_on, serve_frame());
    if (m_is_child) return End::child;
    if (!go_on) return End::stopped;
  }
}

Result<bool> Zygote::serve_frame() {
  auto received = receive_frame(m_socket);
  if (!received && received.error().code == ErrorCode::worker_crashed) return false; // the daemon is gone
  MRUN_ASSIGN(std::optional<Frame> frame, std::move(received));
  if (!frame) return true;
  if (frame->type() == "exit") {
    m_is_leaving = true;
    return !m_children.empty();
  }
  if (frame->type() != "fork")
    return fail(ErrorCode::worker_protocol, fmt::format("unknown frame `{}`", printable(frame->type(), 60)));
  MRUN_ASSIGN(const std::int64_t seq,
              need_integer(frame->header, "seq", ErrorCode::worker_protocol, "a `fork` frame"));
  if (frame->fds.size() != 2)
    return fail(ErrorCode::worker_protocol, "a `fork` frame carries two descriptors, `control` and `output`");
  if (m_is_leaving) {
    MRUN_TRY(refuse(static_cast<std::uint64_t>(seq), "the zygote was told to exit"));
    return true;
  }
  MRUN_ASSIGN(m_is_child, fork_one(static_cast<std::uint64_t>(seq), std::move(frame->fds)));
  return true;
}

Result<bool> Zygote::fork_one(std::uint64_t seq, std::vector<UniqueFd> fds) {
  if (const int threads = thread_count(); threads != m_threads_at_start) {
    MRUN_TRY(refuse(seq, fmt::format("the zygote has {} threads, it may fork with one only", threads)));
    return false;
  }
  std::fflush(nullptr);
  const int parent_pid = ::getpid();
  const int pid = ::fork();
  if (pid == 0) {
    MRUN_TRY(become_child(parent_pid, std::move(fds)));
    return true;
  }
  if (pid < 0) {
    MRUN_TRY(refuse(seq, fmt::format("can't fork: {}", std::strerror(errno))));
    return false;
  }
  MRUN_TRY(report_forked(seq, pid));
  return false;
}

Result<void> Zygote::become_child(int parent_pid, std::vector<UniqueFd> fds) {
  m_children.clear();
  if (::dup2(fds[0].get(), k_control_fd) < 0 || ::dup2(fds[1].get(), STDOUT_FILENO) < 0 ||
      ::dup2(fds[1].get(), STDERR_FILENO) < 0)
    return fail_errno(ErrorCode::resources, errno, "can't set up a forked worker");
  fds.clear();
  return harden_child(parent_pid);
}

Result<void> Zygote::report_forked(std::uint64_t seq, int pid) {
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!pidfd) {
    const int error_number = errno;
    ::kill(pid, SIGKILL);
    ::waitpid(pid, nullptr, 0);
    return refuse(seq, fmt::format("can't open a pidfd: {}", std::strerror(error_number)));
  }
  auto sent = send_frame(m_socket, forked_message(seq, pid), {}, {pidfd.get()});
  m_children.emplace(pid, std::move(pidfd));
  return sent;
}

Result<void> Zygote::refuse(std::uint64_t seq, const std::string& why) {
  return send_frame(m_socket, fork_failed_message(seq, why));
}

Result<void> Zygote::reap_ended() {
  for (auto child = m_children.begin(); child != m_children.end();) {
    siginfo_t info{};
    const auto pidfd = static_cast<id_t>(child->second.get());
    const int got = ::waitid(static_cast<idtype_t>(P_PIDFD), pidfd, &info, WEXITED | WNOHANG | WNOWAIT);
    if (got < 0 || info.si_pid == 0) {
      ++child;
      continue;
    }
    ::kill(-child->first, SIGKILL); // what is left of its group; not reaped yet, so the id can't be another's
    ::waitid(static_cast<idtype_t>(P_PIDFD), pidfd, nullptr, WEXITED | WNOHANG);
    const Json header = info.si_code == CLD_EXITED ? reaped_exit_message(child->first, info.si_status)
                                                   : reaped_signal_message(child->first, info.si_status);
    child = m_children.erase(child);
    MRUN_TRY(send_frame(m_socket, header));
  }
  return {};
}

} // namespace mrun
