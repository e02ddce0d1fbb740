#include "common/paths.h"

#include <cerrno>
#include <cstdlib>
#include <functional>
#include <optional>

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/session_folder.h"
#include "common/shell_word.h"

namespace mrun {
namespace fs = std::filesystem;
namespace {

constexpr std::size_t k_max_socket_path_bytes = 100; // sun_path holds 108

std::optional<fs::path> absolute_variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr || value[0] != '/') return std::nullopt;
  return fs::path(value);
}

// FNV-1a, so that one home always gets the same short socket path.
std::string path_hash(std::string_view text) {
  std::uint64_t hash = 14695981039346656037ULL;
  for (const char c : text)
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  return fmt::format("{:016x}", hash);
}

fs::path short_folder() {
  return fmt::format("/tmp/mrun-{}", ::geteuid());
}

fs::path fit_socket(const fs::path& wanted) {
  if (wanted.string().size() <= k_max_socket_path_bytes) return wanted;
  return short_folder() / (path_hash(wanted.string()) + ".sock");
}

// Makes the folder 0700 where it is absent; refuses one that another user could write to.
Result<void> private_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder.parent_path(), error);
  if (error)
    return fail_errno(ErrorCode::home_refused, error.value(),
                      fmt::format("can't make {}", folder.parent_path().string()));
  if (::mkdir(folder.c_str(), 0700) < 0 && errno != EEXIST)
    return fail_errno(ErrorCode::home_refused, errno, fmt::format("can't make {}", folder.string()));
  struct stat status {};
  if (::stat(folder.c_str(), &status) < 0)
    return fail_errno(ErrorCode::home_refused, errno, fmt::format("can't look at {}", folder.string()));
  if (!S_ISDIR(status.st_mode))
    return fail(ErrorCode::home_refused, fmt::format("{} is not a folder", folder.string()));
  if (status.st_uid != ::geteuid())
    return fail(ErrorCode::home_refused, fmt::format("{} belongs to user {}", folder.string(), status.st_uid),
                is_session_folder(folder) ? k_without_session_folder : "");
  if ((status.st_mode & 0022) != 0)
    return fail(ErrorCode::home_refused, fmt::format("{} can be written by other users", folder.string()),
                is_session_folder(folder) ? k_without_session_folder
                                          : "chmod go-w " + shell_word(folder.string()));
  return {};
}

} // namespace

std::filesystem::path folder_of(const std::filesystem::path& file) {
  return file.has_parent_path() ? file.parent_path() : ".";
}

Result<HomePaths> HomePaths::from_environment() {
  HomePaths paths;
  if (const char* value = std::getenv("MRUN_HOME"); value != nullptr && value[0] != '\0') {
    const fs::path home = fs::absolute(value).lexically_normal();
    paths.config_file = home / "config.yaml";
    paths.data = home / "data";
    paths.state = home / "state";
    paths.cache = home / "cache";
    paths.socket = fit_socket(home / "run/mrun.sock");
    return paths;
  }
  const std::optional<fs::path> home = absolute_variable("HOME");
  if (!home)
    return fail(ErrorCode::home_refused, "neither HOME nor MRUN_HOME is set",
                "export MRUN_HOME=/a/folder/of/yours");
  paths.config_file = absolute_variable("XDG_CONFIG_HOME").value_or(*home / ".config") / "mrun/config.yaml";
  paths.data = absolute_variable("XDG_DATA_HOME").value_or(*home / ".local/share") / "mrun";
  paths.state = absolute_variable("XDG_STATE_HOME").value_or(*home / ".local/state") / "mrun";
  paths.cache = absolute_variable("XDG_CACHE_HOME").value_or(*home / ".cache") / "mrun";
  const std::optional<fs::path> runtime = absolute_variable("XDG_RUNTIME_DIR");
  // Without a folder of the session, one per home: two homes must not share a daemon.
  const std::string own_name = path_hash(paths.state.string()) + ".sock";
  paths.socket = runtime ? fit_socket(*runtime / "mrun.sock") : short_folder() / own_name;
  if (runtime) paths.spare_socket = fit_socket(*runtime / ("mrun-" + own_name));
  return paths;
}

Result<void> HomePaths::create() const {
  for (const fs::path& folder : {data, state, cache, logs()})
    MRUN_TRY(private_folder(folder));
  return private_folder(socket.parent_path());
}

Result<InstallPaths> InstallPaths::of_this_process() {
  std::error_code error;
  const fs::path self = fs::read_symlink("/proc/self/exe", error);
  if (error) return fail_errno(ErrorCode::io, error.value(), "can't find this program's own path");
  const fs::path folder = self.parent_path();
  return InstallPaths{folder.filename() == "mrun" ? folder.parent_path().parent_path()
                                                  : folder.parent_path()};
}

} // namespace mrun
