#include "daemon/runner/process.h"

#include <cerrno>
#include <csignal>
#include <cstring>

#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/spawn.h"

namespace mrun {
namespace {

// pidfd_open and pidfd_send_signal by number: glibc 2.36 declares them without extern "C".

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
  SpawnSetup setup;
  MRUN_TRY(setup.detach(request.output_fd, request.control_fd));
  std::vector<std::string> arguments = request.arguments;
  arguments.insert(arguments.begin(), request.program);
  Child child;
  const int failed = posix_spawn(&child.pid, request.program.c_str(), setup.actions(), setup.attributes(),
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
