// Ctrl-C and SIGTERM while a command waits for the daemon.
#pragma once

#include "common/error.h"
#include "common/fd.h"

namespace mrun::cli {

// While it lives, the first SIGINT or SIGTERM only makes `fd()` readable, so that a waiting command can
// cancel cleanly; the second ends the process at once with 130 or 143. One at a time in a process (the
// handler has to find it); main thread.
class InterruptGuard {
 public:
  static Result<InterruptGuard> install();
  InterruptGuard(InterruptGuard&&) noexcept;
  InterruptGuard& operator=(InterruptGuard&&) = delete;
  ~InterruptGuard();

  int fd() const { return m_read_end.get(); }
  // 0, or the exit code that the signal asks for: 130 or 143.
  int exit_code() const;
  // The same of the last guard that there was; 0 when no signal came.
  static int last_exit_code();

 private:
  InterruptGuard(UniqueFd read_end, UniqueFd write_end);
  UniqueFd m_read_end;
  UniqueFd m_write_end;
};

} // namespace mrun::cli
