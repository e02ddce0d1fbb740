// What posix_spawn is told: the child's descriptors, session and signals.
#pragma once

#include <spawn.h>

#include "common/error.h"

namespace mrun {

class SpawnSetup {
 public:
  SpawnSetup();
  ~SpawnSetup();
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;

  // The child's `child_fd` is our `fd`. In the order of the calls: a later `fd` must not be an earlier
  // `child_fd`. Error: resources.
  Result<void> redirect(int fd, int child_fd);
  // The child's `child_fd` is /dev/null, opened so. Error: resources.
  Result<void> silence(int child_fd, int flags);
  // A child that outlives its parent's terminal: a session of its own, default signals, 0 is /dev/null, 1 and
  // 2 are `output_fd`, 3 is `control_fd` and nothing else is open. Error: resources.
  Result<void> detach(int output_fd, int control_fd);

  // A group of its own: what the terminal sends to ours (Ctrl-C) does not reach it. Not with detach(). Error:
  // resources.
  Result<void> own_group();

  const posix_spawn_file_actions_t* actions() const { return &m_actions; }
  const posix_spawnattr_t* attributes() const { return &m_attributes; }

 private:
  posix_spawn_file_actions_t m_actions{};
  posix_spawnattr_t m_attributes{};
};

inline constexpr int k_child_control_fd = 3; // of a child that detach() set up

} // namespace mrun
