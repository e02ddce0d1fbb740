// One daemon a home: the lock, and the socket that is made under it.
#pragma once

#include "common/error.h"
#include "common/fd.h"
#include "common/paths.h"

namespace mrun {

// Takes state/mrund.lock and writes the own process id into it. The lock goes with the descriptor, so a
// killed daemon leaves none behind. Error daemon_running: names the process that holds it.
Result<UniqueFd> take_instance_lock(const HomePaths& home);

// Binds and listens at home.socket, mode 0600. What lies there is a dead daemon's, since the caller holds the
// lock; it is replaced. Error daemon_start (anything but a socket lies there), io.
Result<UniqueFd> listen_on_socket(const HomePaths& home);

} // namespace mrun
