// The zygote: a process that has opened one engine, warmed it on one thread, and forks workers from itself.
#pragma once

#include <map>

#include "common/fd.h"
#include "runtime/frames.h"

namespace mrun {

class Zygote {
 public:
  enum class End { stopped, child };

  // `socket`: the control socket, descriptor 3. `threads_at_start`: of this process before the engine was
  // opened (1, or 2 under ThreadSanitizer, which has its own); more at a fork is refused.
  Zygote(int socket, int threads_at_start) : m_socket(socket), m_threads_at_start(threads_at_start) {}

  // Serves until the socket closes, or `exit` has come and no child lives any more (they die with this
  // process; no fork after `exit`): stopped. Or returns in a forked child (child): there
  // descriptor 3 is the new worker's control socket, 1 and 2 its output, and nothing of the zygote's is open
  // any more. Error worker_protocol: a broken frame.
  Result<End> serve();

 private:
  Result<bool> serve_frame(); // false: stop
  // Forks, or says why not. True in the child.
  Result<bool> fork_one(std::uint64_t seq, std::vector<UniqueFd> fds);
  Result<void> become_child(int parent_pid, std::vector<UniqueFd> fds);
  Result<void> report_forked(std::uint64_t seq, int pid);
  Result<void> refuse(std::uint64_t seq, const std::string& why);
  Result<void> reap_ended();

  int m_socket;
  int m_threads_at_start;
  bool m_is_child = false;
  bool m_is_leaving = false;          // `exit` has come
  std::map<int, UniqueFd> m_children; // pid → pidfd
};

} // namespace mrun
