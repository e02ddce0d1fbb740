#include "runtime/unpacked.h"

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/limits.h"

namespace mrun {
namespace {

constexpr const char* k_note = ".unpacked"; // the files' sizes, inodes and times; written last
constexpr std::size_t k_max_note_bytes = 4 * k_mib;

tl::unexpected<Error> failed(const std::string& what) {
  return fail_errno(errno == ENOSPC || errno == EDQUOT ? ErrorCode::disk_full : ErrorCode::io, errno, what);
}

Result<std::string> note_of(int folder_fd, const std::vector<UnpackedFile>& files) {
  std::string note = "mrun unpacked 1\n";
  for (const UnpackedFile& file : files) {
    struct stat status {};
    if (::fstatat(folder_fd, file.name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0) return failed(file.name);
    if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) != file.bytes.size())
      return fail(ErrorCode::io, fmt::format("{} is not what was unpacked", file.name));
    note += fmt::format("{} {} {} {}.{:09} {}.{:09}\n", file.name, status.st_size, status.st_ino,
                        status.st_mtim.tv_sec, status.st_mtim.tv_nsec, status.st_ctim.tv_sec,
                        status.st_ctim.tv_nsec);
  }
  return note;
}

bool is_as_noted(int folder_fd, const std::vector<UnpackedFile>& files) {
  const UniqueFd fd(::openat(folder_fd, k_note, O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return false;
  const Result<std::string> written = read_all(fd.get(), k_max_note_bytes, "the note", ErrorCode::io);
  const Result<std::string> now = note_of(folder_fd, files);
  return written && now && *written == *now;
}

Result<void> make_folders(int folder_fd, const std::string& name) {
  for (std::size_t slash = name.find('/'); slash != std::string::npos; slash = name.find('/', slash + 1))
    if (::mkdirat(folder_fd, name.substr(0, slash).c_str(), 0700) < 0 && errno != EEXIST)
      return failed("can't unpack " + name);
  return {};
}

Result<void> write_file(int folder_fd, const std::string& name, std::string_view bytes, mode_t mode) {
  const UniqueFd fd(
      ::openat(folder_fd, name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!fd) return failed("can't unpack " + name);
  MRUN_TRY(write_all(fd.get(), bytes, name));
  return ::fsync(fd.get()) == 0 ? Result<void>() : failed("can't sync " + name);
}

Result<void> remove_folder(int cache_fd, const std::string& name) {
  std::error_code problem; // links in it are removed, not followed
  std::filesystem::remove_all(fmt::format("/proc/self/fd/{}/{}", cache_fd, name), problem);
  if (!problem) return {};
  errno = problem.value();
  return failed("can't remove " + name);
}

} // namespace

Result<UnpackedFolder> UnpackedFolder::open(int cache_fd, const std::string& name,
                                            const std::vector<UnpackedFile>& files) {
  constexpr int k_flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
  UnpackedFolder result;
  result.m_folder = UniqueFd(::openat(cache_fd, name.c_str(), k_flags));
  result.m_was_there = result.m_folder && is_as_noted(result.m_folder.get(), files);
  if (result.m_was_there) return result;

  const std::string half = fmt::format("{}.{}", name, ::getpid());
  MRUN_TRY(remove_folder(cache_fd, half)); // of an older process of that number
  if (::mkdirat(cache_fd, half.c_str(), 0700) < 0) return failed("can't make a folder in the cache");
  const UniqueFd folder(::openat(cache_fd, half.c_str(), k_flags));
  if (!folder) return failed("can't open " + half);
  for (const UnpackedFile& file : files) {
    MRUN_TRY(make_folders(folder.get(), file.name));
    MRUN_TRY(write_file(folder.get(), file.name, file.bytes, 0500));
  }
  MRUN_ASSIGN(const std::string note, note_of(folder.get(), files));
  MRUN_TRY(write_file(folder.get(), k_note, note, 0400));
  if (::fsync(folder.get()) < 0) return failed("can't sync " + half);
  // Another instance may have been faster: its folder is as good, and this one is used unnamed.
  if (::renameat2(cache_fd, half.c_str(), cache_fd, name.c_str(), RENAME_NOREPLACE) < 0) {
    if (errno != EEXIST && errno != ENOTEMPTY) return failed("can't rename " + half);
    if (::renameat2(cache_fd, half.c_str(), cache_fd, name.c_str(), RENAME_EXCHANGE) < 0)
      return failed("can't rename " + half);
    MRUN_TRY(remove_folder(cache_fd, half)); // what was there, by its other name now
  }
  result.m_folder = UniqueFd(::openat(cache_fd, name.c_str(), k_flags));
  if (!result.m_folder) return failed("can't open " + name);
  return result;
}

std::string UnpackedFolder::path() const {
  return fmt::format("/proc/self/fd/{}", m_folder.get());
}

} // namespace mrun
