// systemd's side of the daemon without libsystemd: a socket that the service manager made (sd_listen_fds(3)),
// and what it is told (sd_notify(3)). Without a service manager nothing of it happens.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/fd.h"

namespace mrun {

// The socket that this process was started with, by LISTEN_PID, LISTEN_FDS; the variables are removed, so
// that no worker sees them. nullopt: none was given, or it was another process's. Error daemon_start: more
// than one, or one that does not listen for streams on a Unix path.
Result<std::optional<UniqueFd>> take_activated_socket();

// Tells the state ("READY=1", "STOPPING=1", "WATCHDOG=1", lines) to NOTIFY_SOCKET. What can't be told is
// lost: the service manager notices by itself.
class Notifier {
 public:
  // Reads and removes NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID.
  static Notifier from_environment();

  void tell(std::string_view state) const;
  // How often "WATCHDOG=1" is due: half of what was asked for; nullopt when it was not.
  std::optional<std::chrono::microseconds> watchdog() const { return m_watchdog; }

 private:
  std::string m_socket; // '@' first: abstract; "" for none
  std::optional<std::chrono::microseconds> m_watchdog;
};

} // namespace mrun
