// Starting mrund, and waiting for it to be ready or gone.
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "cli/client/connection.h"
#include "common/error.h"
#include "common/paths.h"

namespace mrun::cli {

// MRUN_NO_AUTOSTART is set (not empty, not 0).
bool autostart_disabled();
// The process that the lock file of the home names; 0 for none. It may have ended.
int home_holder(const HomePaths& home);
// The home's daemon: the process that its lock file names, at the socket that this names (another one than
// usual when another home's daemon had that, or when it was started with another XDG_RUNTIME_DIR). nullopt
// when it does not listen. Errors: those of Connection::open().
Result<std::optional<Connection>> open_home(const HomePaths& home, const Patience& patience = {});

// Connects to a daemon that just became ready, starting it if nobody listens. Under the start lock, so that
// of several callers one starts it and the others find it. The daemon gets its own session, no descriptor but
// its log (state/logs/mrund.log) and the write end of a pipe, on which it writes "ready\n" or why it can't
// start. `on_start` is called once when a daemon is really being started. Errors: daemon_start with the
// daemon's own words, home_refused, disk_full, resources.
// `words`: of the daemon's command line (man 8 mrund). Without a deadline it has limits of its own; a caller
// who leaves earlier (daemon_unreachable, interrupted_by_user) leaves the daemon to start.
Result<Connection> start_daemon(const HomePaths& home, const std::filesystem::path& program,
                                const std::vector<std::string>& words, const std::function<void()>& on_start,
                                const Patience& patience = {});

// Replaces this process by the daemon in the foreground; returns only when that failed.
Error exec_daemon(const std::filesystem::path& program, std::vector<std::string> words);

// Waits for the end of a process that isn't ours. False when the deadline passed first.
Result<bool> wait_for_exit(int process_id, Deadline deadline, int interrupt_fd);

// The last `count` lines of a log file; empty when it can't be read.
std::vector<std::string> last_lines(const std::filesystem::path& file, std::size_t count);

} // namespace mrun::cli
