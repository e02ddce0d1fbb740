// One daemon a home: the lock, and the socket that is made under it.
#pragma once

#include "common/error.h"
#include "common/fd.h"
#include "common/paths.h"

namespace mrun {

// Takes state/mrund.lock and writes the own process id and the socket's path into it. The lock goes with the
// descriptor, so a killed daemon leaves none behind. Error daemon_running: names the process that holds it.
Result<UniqueFd> take_instance_lock(const HomePaths& home);

// Binds and listens at home.socket, mode 0600. A socket there on which nobody answers is a dead daemon's and
// is replaced. One that answers is another home's in the same session: then home.spare_socket becomes
// home.socket, and the lock says so. Error daemon_start (anything but a socket lies there), io.
Result<UniqueFd> listen_on_socket(HomePaths& home, int lock_fd);

// Takes the service manager's socket in its place: home.socket becomes its path, and the lock says whose
// process made it, since that is who a caller sees at the other end. Error io.
Result<UniqueFd> adopt_socket(HomePaths& home, int lock_fd, UniqueFd socket);

} // namespace mrun
