#include "common/fs.h"

#include <algorithm>
#include <cerrno>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "common/text.h"

namespace mrun {
namespace {

Result<void> ok_or_errno(int outcome, std::string_view operation, const std::string& path) {
  if (outcome < 0)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't {} {}", operation, printable(path)));
  return {};
}

int open_beneath(int dir_fd, const std::string& path, int flags, unsigned mode) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW);
  how.mode = (flags & O_CREAT) != 0 ? mode : 0;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  const long fd = ::syscall(SYS_openat2, dir_fd, path.c_str(), &how, sizeof how);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM))
    return ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC | O_NOFOLLOW, mode);
  return static_cast<int>(fd);
}

class RealFileSystem : public FileSystem {
 public:
  Result<UniqueFd> open(int dir_fd, const std::string& path, int flags, unsigned mode) override {
    UniqueFd fd(open_beneath(dir_fd, path, flags, mode));
    MRUN_TRY(ok_or_errno(fd.get(), "open", path));
    return fd;
  }

  Result<void> make_dir(int dir_fd, const std::string& path, unsigned mode) override {
    if (::mkdirat(dir_fd, path.c_str(), mode) < 0 && errno != EEXIST)
      return ok_or_errno(-1, "make the folder", path);
    return {};
  }

  Result<void> write(int fd, std::string_view bytes) override {
    return write_all(fd, bytes, "a file of the store");
  }

  Result<void> sync(int fd) override { return ok_or_errno(::fsync(fd), "sync", "a file of the store"); }

  Result<void> rename(int dir_fd, const std::string& from, const std::string& to) override {
    return ok_or_errno(::renameat(dir_fd, from.c_str(), dir_fd, to.c_str()), "rename to", to);
  }

  Result<void> link(int from_dir, const std::string& from, int to_dir, const std::string& to) override {
    return ok_or_errno(::linkat(from_dir, from.c_str(), to_dir, to.c_str(), 0), "link", to);
  }

  Result<void> unlink(int dir_fd, const std::string& path) override {
    if (::unlinkat(dir_fd, path.c_str(), 0) < 0 && errno != ENOENT) return ok_or_errno(-1, "remove", path);
    return {};
  }

  Result<std::vector<std::string>> list(int dir_fd) override {
    // A descriptor of its own, so that the read position is not shared.
    const int copy = ::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    MRUN_TRY(ok_or_errno(copy, "open", "a folder"));
    DIR* folder = ::fdopendir(copy);
    if (folder == nullptr) {
      ::close(copy);
      return fail_errno(ErrorCode::io, errno, "can't list a folder");
    }
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(folder)) {
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    ::closedir(folder);
    return names;
  }
};

} // namespace

FileSystem& real_file_system() {
  static RealFileSystem file_system;
  return file_system;
}

Result<void> FailingFileSystem::count(std::string_view operation) {
  ++m_calls;
  if (m_calls == m_fail_at || (m_persistent && m_calls > m_fail_at))
    return fail_errno(ErrorCode::io, m_error_number, fmt::format("can't {} (made to fail)", operation));
  return {};
}

Result<UniqueFd> FailingFileSystem::open(int dir_fd, const std::string& path, int flags, unsigned mode) {
  MRUN_TRY(count("open"));
  return m_inner.open(dir_fd, path, flags, mode);
}
Result<void> FailingFileSystem::make_dir(int dir_fd, const std::string& path, unsigned mode) {
  MRUN_TRY(count("make the folder"));
  return m_inner.make_dir(dir_fd, path, mode);
}
Result<void> FailingFileSystem::write(int fd, std::string_view bytes) {
  MRUN_TRY(count("write"));
  return m_inner.write(fd, bytes);
}
Result<void> FailingFileSystem::sync(int fd) {
  MRUN_TRY(count("sync"));
  return m_inner.sync(fd);
}
Result<void> FailingFileSystem::rename(int dir_fd, const std::string& from, const std::string& to) {
  MRUN_TRY(count("rename"));
  return m_inner.rename(dir_fd, from, to);
}
Result<void> FailingFileSystem::link(int from_dir, const std::string& from, int to_dir,
                                     const std::string& to) {
  MRUN_TRY(count("link"));
  return m_inner.link(from_dir, from, to_dir, to);
}
Result<void> FailingFileSystem::unlink(int dir_fd, const std::string& path) {
  MRUN_TRY(count("remove"));
  return m_inner.unlink(dir_fd, path);
}
Result<std::vector<std::string>> FailingFileSystem::list(int dir_fd) {
  MRUN_TRY(count("list"));
  return m_inner.list(dir_fd);
}

} // namespace mrun
