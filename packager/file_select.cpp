#include "packager/file_select.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/fs.h"
#include "common/limits.h"
#include "common/text.h"
#include "packager/bundle_format.h"
#include "packager/glob.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_entries_seen = 2'000'000;
constexpr std::size_t k_max_folder_depth = 64;

std::string_view kind_name(mode_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISFIFO(mode)) return "a pipe";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

bool is_file(int folder_fd, const char* name) {
  struct stat status {};
  return ::fstatat(folder_fd, name, &status, 0) == 0 && S_ISREG(status.st_mode);
}

// How a file that is not there may be made; the names are those of `mrun init`.
std::string missing_hint(int folder_fd) {
  if (is_file(folder_fd, "export.py"))
    return fmt::format("make it first: run `python3 export.py` there{}",
                       is_file(folder_fd, "README.md") ? " (README.md says what it needs)" : "");
  if (is_file(folder_fd, "CMakeLists.txt"))
    return "build it first: run `cmake -S . -B build && cmake --build build` there";
  return "check `files:` and `model:`";
}

class Walk {
 public:
  Walk(int folder_fd, const std::vector<std::string>& globs)
      : m_folder(folder_fd),
        m_globs(globs),
        m_used(globs.size(), false) {}

  Result<std::vector<SelectedFile>> run() {
    std::vector<std::string> pending = {""};
    while (!pending.empty()) {
      const std::string folder = std::move(pending.back());
      pending.pop_back();
      MRUN_TRY(read_folder(folder, pending));
    }
    MRUN_TRY(check_unused());
    std::sort(m_files.begin(), m_files.end(),
              [](const SelectedFile& a, const SelectedFile& b) { return a.path < b.path; });
    return std::move(m_files);
  }

 private:
  Result<void> read_folder(const std::string& folder, std::vector<std::string>& pending) {
    FileSystem& file_system = real_file_system();
    MRUN_ASSIGN(const UniqueFd fd,
                file_system.open(m_folder, folder.empty() ? "." : folder, O_RDONLY | O_DIRECTORY, 0));
    MRUN_ASSIGN(std::vector<std::string> names, file_system.list(fd.get()));
    for (const std::string& name : names) {
      if (++m_seen > k_max_entries_seen)
        return fail(ErrorCode::manifest_limit,
                    fmt::format("the folder has more than {} entries", k_max_entries_seen),
                    "make the globs of `files:` narrower");
      const std::string path = folder.empty() ? name : folder + "/" + name;
      struct stat status {};
      if (::fstatat(fd.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT) continue; // gone since it was listed; a glob that needed it says so
        return fail_errno(ErrorCode::io, errno, fmt::format("can't look at {}", printable(path)));
      }
      MRUN_TRY(S_ISDIR(status.st_mode) ? read_subfolder(path, pending) : read_file_entry(path, status));
    }
    return {};
  }

  Result<void> read_subfolder(const std::string& path, std::vector<std::string>& pending) const {
    const auto may_match = [&](const std::string& glob) { return glob_may_match_below(glob, path); };
    if (std::none_of(m_globs.begin(), m_globs.end(), may_match)) return {};
    if (static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) >= k_max_folder_depth)
      return fail(ErrorCode::manifest_limit,
                  fmt::format("folder {} is more than {} levels deep", printable(path), k_max_folder_depth));
    pending.push_back(path);
    return {};
  }

  Result<void> read_file_entry(const std::string& path, const struct stat& status) {
    bool matched = path == k_bundle_manifest_name;
    for (std::size_t i = 0; i < m_globs.size(); ++i) {
      // a link to a folder is refused where a glob would look into it
      const bool fits =
          glob_match(m_globs[i], path) || (S_ISLNK(status.st_mode) && glob_may_match_below(m_globs[i], path));
      m_used[i] = m_used[i] || fits;
      matched = matched || fits;
    }
    if (!matched) return {};
    if (!S_ISREG(status.st_mode))
      return fail(
          ErrorCode::pack_file_refused,
          fmt::format("{} is {}, only regular files are packed", printable(path), kind_name(status.st_mode)),
          S_ISLNK(status.st_mode) ? "put a copy of what it points to in its place" : "");
    MRUN_ASSIGN(SafePath safe, SafePath::parse(path));
    if (m_files.size() >= k_max_bundle_files)
      return fail(ErrorCode::manifest_limit,
                  fmt::format("there are more than {} files to pack", k_max_bundle_files));
    m_files.push_back({std::move(safe), static_cast<std::uint64_t>(status.st_size), {}});
    return {};
  }

  Result<void> check_unused() const {
    for (std::size_t i = 0; i < m_globs.size(); ++i) {
      if (m_used[i]) continue;
      struct stat status {};
      const bool folder = ::fstatat(m_folder, m_globs[i].c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
                          S_ISDIR(status.st_mode);
      if (folder)
        return fail(ErrorCode::pack_file_missing, fmt::format("`files:` names the folder {}", m_globs[i]),
                    fmt::format("write {}/** for all that is in it", m_globs[i]));
      return fail(ErrorCode::pack_file_missing,
                  is_glob(m_globs[i]) ? fmt::format("`files:` has {}, which matches no file", m_globs[i])
                                      : fmt::format("the file {} is not there", m_globs[i]),
                  missing_hint(m_folder));
    }
    return {};
  }

  int m_folder;
  const std::vector<std::string>& m_globs;
  std::vector<bool> m_used;
  std::vector<SelectedFile> m_files;
  std::size_t m_seen = 0;
};

} // namespace

Result<std::vector<SelectedFile>> select_files(int folder_fd, const std::vector<std::string>& globs) {
  return Walk(folder_fd, globs).run();
}

Result<UniqueFd> open_selected(int folder_fd, const SelectedFile& file) {
  const std::string& path = file.source.empty() ? file.path.text() : file.source;
  // O_NONBLOCK: a pipe put in the file's place must not hold us up
  Result<UniqueFd> fd = real_file_system().open(folder_fd, path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0);
  if (!fd)
    return fail(ErrorCode::pack_file_refused,
                fmt::format("can't read {}: {}", printable(path), fd.error().message));
  struct stat status {};
  if (::fstat(fd->get(), &status) < 0 || !S_ISREG(status.st_mode))
    return fail(ErrorCode::pack_file_refused, fmt::format("{} is no regular file any more", printable(path)));
  return fd;
}

} // namespace mrun
