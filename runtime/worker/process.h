// The worker as a process: what it gives up at its start, and how it notices that its parent is gone.
#pragma once

#include "common/error.h"

namespace mrun {

inline constexpr int k_control_fd = 3;

// First thing in main, with one thread: new files are private, no privileges by exec, no core files, at most
// 4096 open files, an OOM score of at least 500, nothing open but 0–3, signals as at login, a session of its
// own, death with the parent. The environment is the daemon's matter. Error worker_crashed: the parent ended
// before the death signal was set, or descriptor 3 is no socket with a peer.
Result<void> harden_process();

// The part that a fork does not hand down: a session of its own and death with the parent.
Result<void> harden_child(int parent_pid);

// Entries of /proc/self/task; 0 when it can't be read.
int thread_count();

} // namespace mrun
