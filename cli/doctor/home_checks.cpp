// The user's own: folders, configuration, store, database, socket, daemon.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/client/connection.h"
#include "cli/client/daemon_process.h"
#include "cli/config_edit.h"
#include "cli/doctor/checks.h"
#include "common/build_info.h"
#include "common/fd.h"
#include "common/limits.h"
#include "common/session_folder.h"
#include "common/shell_word.h"
#include "common/text.h"
#include "packager/store.h"

namespace mrun::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t k_little_disk_bytes = 1024 * k_mib;
constexpr std::chrono::minutes k_least_age{1}; // of what nobody works with any more
constexpr std::size_t k_max_socket_table_bytes = 16 * k_mib;

bool is_own(const struct stat& status) {
  return S_ISDIR(status.st_mode) && status.st_uid == ::geteuid();
}

// By its descriptor, so that it is still the folder that was looked at.
Result<void> close_to_others(const std::vector<fs::path>& folders) {
  for (const fs::path& path : folders) {
    const UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status {};
    if (!folder || ::fstat(folder.get(), &status) < 0 || !is_own(status) ||
        ::fchmod(folder.get(), status.st_mode & 07755) < 0)
      return fail_errno(ErrorCode::home_refused, errno,
                        fmt::format("can't change the mode of {}", printable(path.string())));
  }
  return {};
}

std::string text(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return object.is_object() && found != object.end() && found->is_string()
             ? printable(found->get<std::string>(), 400)
             : "";
}

// For a command that the user pastes.
std::string pasted(const fs::path& path) {
  return shell_word(printable(path.string(), 4096));
}

// A folder that is not this user's: whose it is to be depends on who asks. `sudo mrun` keeps HOME, and the
// folder is right as it is; one that a `sudo mrun` made is given back.
std::string help_for_foreign(const fs::path& folder, uid_t owner) {
  if (is_session_folder(folder)) return k_without_session_folder;
  if (::geteuid() == 0) return fmt::format("run mrun as its owner (user {}), without sudo", owner);
  if (owner == 0) return fmt::format("sudo chown -R {} {}", ::geteuid(), pasted(folder));
  return fmt::format("run mrun as its owner (user {}), or set MRUN_HOME to a folder of yours", owner);
}

// Files that `mrun config set` tries a change in: those whose process is gone.
std::vector<fs::path> abandoned_trials(const fs::path& config_file) {
  const std::string prefix = config_file.filename().string() + std::string(k_config_trial);
  std::vector<fs::path> found;
  std::error_code problem;
  for (const fs::directory_entry& entry : fs::directory_iterator(folder_of(config_file), problem)) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with(prefix)) continue;
    pid_t process = 0;
    const char* const end = name.data() + name.size();
    const auto [rest, error] = std::from_chars(name.data() + prefix.size(), end, process);
    const bool is_number = error == std::errc() && rest == end && process > 0;
    const auto age = fs::file_time_type::clock::now() - entry.last_write_time(problem);
    if (problem || !is_number || age < k_least_age) continue; // the process may be of another container
    if (::kill(process, 0) < 0 && errno == ESRCH) found.push_back(entry.path());
  }
  return found;
}

Result<void> remove_files(const std::vector<fs::path>& files) {
  for (const fs::path& file : files)
    if (::unlink(file.c_str()) < 0 && errno != ENOENT)
      return fail_errno(ErrorCode::io, errno, fmt::format("can't remove {}", printable(file.string())));
  return {};
}

// Whether a process of this machine has a socket of that name; connecting instead would wake a service
// manager.
bool is_bound(const fs::path& socket) {
  const Result<std::string> table =
      read_file("/proc/net/unix", k_max_socket_table_bytes, ErrorCode::io, ErrorCode::io);
  if (!table) return true; // not known: it stays
  const std::string ending = " " + socket.string();
  return std::ranges::any_of(split(*table, '\n'),
                             [&](std::string_view line) { return line.ends_with(ending); });
}

// With the lock that daemons look and bind under, so that none is between the two. Not seen in this network's
// table and nobody answers: nobody listens, in another container neither.
Result<void> remove_stale_socket(const fs::path& socket) {
  const UniqueFd folder(::open(socket.parent_path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!folder || ::flock(folder.get(), LOCK_EX | LOCK_NB) < 0)
    return fail_errno(ErrorCode::home_refused, errno, "can't lock the socket's folder");
  if (is_bound(socket)) return {};
  MRUN_ASSIGN(const auto connection, Connection::open(socket));
  return connection ? Result<void>() : remove_files({socket});
}

// What is wrong with a folder that is there, by its own status; ok: nothing.
Check judge_folder(const fs::path& folder, const struct stat& status) {
  Check check{.id = "home", .state = CheckState::failed};
  const std::string name = printable(folder.string());
  if (!S_ISDIR(status.st_mode)) {
    check.says = fmt::format("{} is no folder", name);
    check.help = fmt::format("move it away: mv {} {}", pasted(folder), pasted(folder.string() + ".old"));
    if (is_session_folder(folder)) check.help = k_without_session_folder;
  } else if (status.st_uid != ::geteuid()) {
    check.says = fmt::format("{} belongs to another user ({})", name, status.st_uid);
    check.help = help_for_foreign(folder, status.st_uid);
  } else if ((status.st_mode & 022) != 0) {
    check.says = fmt::format("others may write to {}", name);
    check.help = is_session_folder(folder) ? k_without_session_folder : "chmod go-w " + pasted(folder);
  } else if (::access(folder.c_str(), R_OK | W_OK | X_OK) < 0) {
    const int problem = errno;
    check.says = fmt::format("you may not write to {}: {}", name, std::strerror(problem));
    if (problem == EACCES) check.help = fmt::format("chmod u+rwx {}", pasted(folder));
  } else {
    check.state = CheckState::ok;
  }
  return check;
}

} // namespace

Check check_home(const DoctorFacts& facts) {
  Check check{.id = "home"};
  std::size_t missing = 0;
  std::vector<fs::path> loose;
  for (const fs::path& folder : {facts.home.data, facts.home.state, facts.home.cache, facts.home.logs(),
                                 facts.home.socket.parent_path()}) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) < 0) {
      ++missing;
      continue;
    }
    Check found = judge_folder(folder, status);
    if (found.state == CheckState::ok) continue;
    const bool is_loose = is_own(status) && (status.st_mode & 022) != 0 && !is_session_folder(folder);
    if (!is_loose) return found;
    if (loose.empty())
      check = std::move(found);
    else
      check.help += " " + pasted(folder);
    loose.push_back(folder);
  }
  if (!loose.empty()) {
    check.repair = [loose] { return close_to_others(loose); };
    return check;
  }
  check.says = fmt::format("store {}, state {}", printable(facts.home.data.string()),
                           printable(facts.home.state.string()));
  if (missing > 0) {
    check.says += "; what is missing is made at first use";
    check.repair = [home = facts.home] { return home.create(); };
  }
  return check;
}

Check check_config(const DoctorFacts& facts) {
  Check check{.id = "config"};
  if (facts.description.contains("error")) {
    check.state = CheckState::failed;
    check.says = text(facts.description, "error");
    check.help = "install mrun again (scripts/quickstart)";
    return check;
  }
  const Json& config = facts.description["config"];
  check.says = fmt::format("{}{}", text(config, "file"),
                           config["is_there"] == Json(true) ? "" : " is not there: the defaults hold");
  if (!config["error"].is_object()) {
    const auto trials = abandoned_trials(facts.home.config_file);
    if (trials.empty()) return check;
    check.says += fmt::format("; left by a `mrun config set` that was killed: {}{}",
                              printable(trials[0].filename().string()),
                              trials.size() > 1 ? fmt::format(" and {} more", trials.size() - 1) : "");
    check.repair = [trials] { return remove_files(trials); };
    return check;
  }
  check.state = CheckState::failed;
  check.says = text(config["error"], "message");
  check.help = text(config["error"], "hint");
  if (check.help.empty()) check.help = "see docs/formats/config.md";
  return check;
}

Check check_store(const DoctorFacts& facts) {
  Check check{.id = "store"};
  std::error_code ignored;
  if (!fs::exists(facts.home.data / "index.json", ignored)) {
    check.says = "empty";
    return check;
  }
  const Result<Store> store = Store::open(facts.home.data, true);
  const auto tags = store ? store->list() : Result<std::vector<TagEntry>>(tl::unexpected(store.error()));
  if (!tags) {
    check.state = CheckState::failed;
    check.says = tags.error().message;
    check.help = tags.error().help().empty() ? "mrun verify --all" : std::string(tags.error().help());
    return check;
  }
  struct statvfs disk {};
  const bool known = ::statvfs(facts.home.data.c_str(), &disk) == 0;
  const std::uint64_t free_bytes = known ? disk.f_bavail * disk.f_frsize : 0;
  check.says = fmt::format("{} tags, {} free on its disk", tags->size(),
                           known ? format_bytes(free_bytes) : "an unknown part");
  if (known && free_bytes < k_little_disk_bytes) {
    check.state = CheckState::warning;
    check.help = "mrun gc --dry-run says what could go";
  }
  return check;
}

Check check_database(const DoctorFacts& facts) {
  Check check{.id = "database"};
  const Json database = facts.description.value("database", Json::object());
  check.says = text(database, "state") == "absent" ? "not made yet" : text(database, "state");
  if (text(database, "state") != "damaged") return check;
  check.state = CheckState::failed;
  check.says =
      fmt::format("{} is damaged: {}", printable(facts.home.database().string()), text(database, "message"));
  check.help = fmt::format("mrun daemon stop, then mv {} {}: predictions and costs begin anew",
                           pasted(facts.home.database()), pasted(facts.home.database().string() + ".old"));
  return check;
}

Check check_socket(const DoctorFacts& facts) {
  Check check{.id = "socket"};
  const std::string path = facts.home.socket.string();
  struct stat status {};
  check.says = printable(path);
  if (::lstat(path.c_str(), &status) < 0) return check;
  if (!S_ISSOCK(status.st_mode)) {
    check.state = CheckState::failed;
    check.says = fmt::format("{} is in the way and no socket", printable(path));
    check.help = fmt::format("look at it, then rm {}", pasted(path));
  } else if (status.st_uid == ::geteuid() && facts.status.is_null() && !facts.daemon_hangs &&
             !is_bound(facts.home.socket)) {
    check.says += ": left by a daemon that is gone, and replaced by the next";
    check.repair = [socket = facts.home.socket] { return remove_stale_socket(socket); };
  }
  return check;
}

Check check_daemon(const DoctorFacts& facts) {
  Check check{.id = "daemon"};
  if (facts.daemon_hangs) {
    check.state = CheckState::failed;
    check.says = fmt::format("process {} holds the socket and does not answer", home_holder(facts.home));
    check.help = fmt::format("kill -9 {}; the next command starts another", home_holder(facts.home));
    return check;
  }
  if (facts.status.is_null()) {
    check.says = "not running; the first prediction starts it";
    return check;
  }
  check.says = fmt::format("running, build {}", text(facts.status, "build"));
  if (text(facts.status, "build") != build_id()) {
    check.state = CheckState::warning;
    check.says += fmt::format(", this mrun is {}", build_id());
    check.help = "mrun daemon stop; the next command starts this build's";
  }
  return check;
}

} // namespace mrun::cli
