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
    const std::string name = printable(folder.string());
    if (!S_ISDIR(status.st_mode)) {
      check.state = CheckState::failed;
      check.says = fmt::format("{} is no folder", name);
      check.help = fmt::format("move it away: mv {} {}.old", name, name);
    } else if (status.st_uid != ::geteuid() || ::access(folder.c_str(), R_OK | W_OK | X_OK) < 0) {
      check.state = CheckState::failed;
      check.says = fmt::format("{} belongs to another user, or you may not write to it", name);
      check.help = fmt::format("sudo chown -R {} {}", ::geteuid(), name);
    } else if ((status.st_mode & 022) != 0) {
      check.state = CheckState::failed;
      check.says = fmt::format("others may write to {}", name);
      check.help = fmt::format("chmod go-w {}", name);
      check.repair = [folder, mode = status.st_mode] { return set_mode(folder, mode & 07755); };
    }
    if (check.state != CheckState::ok) return check;
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
  check.help = fmt::format("mrun daemon stop, then mv {0} {0}.old: predictions and costs begin anew",
                           printable(facts.home.database().string()));
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
    check.help = fmt::format("look at it, then rm {}", printable(path));
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
