// The user's own: folders, configuration, store, database, socket, daemon.
#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/client/daemon_process.h"
#include "cli/doctor/checks.h"
#include "common/build_info.h"
#include "common/limits.h"
#include "common/session_folder.h"
#include "common/shell_word.h"
#include "common/text.h"
#include "packager/store.h"

namespace mrun::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::uint64_t k_little_disk_bytes = 1024 * k_mib;

Result<void> set_mode(const fs::path& path, mode_t mode) {
  if (::chmod(path.c_str(), mode) == 0) return {};
  return fail_errno(ErrorCode::home_refused, errno,
                    fmt::format("can't change the mode of {}", printable(path.string())));
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
  } else if (::access(folder.c_str(), R_OK | W_OK | X_OK) < 0) {
    check.says = fmt::format("you may not write to {}: {}", name, std::strerror(errno));
    if (errno == EACCES) check.help = fmt::format("chmod u+rwx {}", pasted(folder));
  } else if ((status.st_mode & 022) != 0) {
    check.says = fmt::format("others may write to {}", name);
    check.help = is_session_folder(folder) ? k_without_session_folder : "chmod go-w " + pasted(folder);
    if (!is_session_folder(folder))
      check.repair = [folder, mode = status.st_mode] { return set_mode(folder, mode & 07755); };
  } else {
    check.state = CheckState::ok;
  }
  return check;
}

} // namespace

Check check_home(const DoctorFacts& facts) {
  Check check{.id = "home"};
  std::size_t missing = 0;
  for (const fs::path& folder :
       {facts.home.data, facts.home.state, facts.home.cache, facts.home.socket.parent_path()}) {
    struct stat status {};
    if (::stat(folder.c_str(), &status) < 0) {
      ++missing;
      continue;
    }
    Check found = judge_folder(folder, status);
    if (found.state != CheckState::ok) return found;
  }
  check.says = fmt::format("store {}, state {}", printable(facts.home.data.string()),
                           printable(facts.home.state.string()));
  if (missing > 0) check.says += "; what is missing is made at first use";
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
  if (!config["error"].is_object()) return check;
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
  } else if (facts.status.is_null() && !facts.daemon_hangs && home_holder(facts.home) <= 0) {
    check.says += ": left by a daemon that is gone; the next one replaces it";
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
