#include "packager/store_files.h"

#include <atomic>
#include <cerrno>
#include <charconv>
#include <ctime>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mrun {
namespace {

// flock has no deadline, so it is tried again at growing intervals: the one wait here that polls.
Result<bool> lock_within(int fd, int operation, std::chrono::milliseconds patience) {
  const std::int64_t end_ns = system_clock().monotonic_ns() + patience.count() * 1'000'000;
  for (long pause_ns = 200'000;; pause_ns = std::min(pause_ns * 2, 50'000'000L)) {
    if (::flock(fd, operation | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK && errno != EINTR)
      return fail_errno(ErrorCode::io, errno, "can't lock the store");
    if (system_clock().monotonic_ns() >= end_ns) return false;
    const timespec pause{0, pause_ns};
    ::nanosleep(&pause, nullptr);
  }
}

std::int64_t mtime_ns(const struct stat& status) {
  return status.st_mtim.tv_sec * 1'000'000'000LL + status.st_mtim.tv_nsec;
}

} // namespace

Result<FileLock> FileLock::take(FileSystem& file_system, int dir_fd, const std::string& name, Kind kind,
                                std::chrono::milliseconds patience) {
  MRUN_ASSIGN(UniqueFd fd, file_system.open(dir_fd, name, O_RDWR | O_CREAT, 0644));
  MRUN_ASSIGN(const bool locked, lock_within(fd.get(), kind == Kind::shared ? LOCK_SH : LOCK_EX, patience));
  if (!locked)
    return fail(ErrorCode::store_busy,
                fmt::format("another mrun held the store's {} for {} s", name, patience.count() / 1000));
  return FileLock(std::move(fd));
}

std::string new_temporary_name() {
  static std::atomic<std::uint64_t> counter{
      0}; // names only; the random part makes them unique between processes
  std::uint64_t random = 0;
  if (::getrandom(&random, sizeof random, 0) != static_cast<ssize_t>(sizeof random))
    random = static_cast<std::uint64_t>(system_clock().monotonic_ns());
  return fmt::format("{}-{}-{:016x}", ::getpid(), ++counter, random);
}

Result<void> Store::Impl::need_writable() const {
  if (read_only || !tmp)
    return fail(ErrorCode::store_read_only,
                fmt::format("the store {} was opened for reading only", path.string()));
  if (::faccessat(root.get(), "tmp", W_OK, AT_EACCESS) < 0 &&
      (errno == EACCES || errno == EPERM || errno == EROFS))
    return fail_errno(ErrorCode::store_read_only, errno,
                      fmt::format("can't write into the store {}", path.string()));
  return {};
}

Result<std::shared_ptr<const StoreIndex>> Store::Impl::read_index() {
  const std::lock_guard guard(index_mutex);
  CachedIndex& cached = cached_index;
  struct stat status {};
  // Each prediction by name comes here: one system call when nothing has changed.
  if (cached.index && ::fstatat(root.get(), "index.json", &status, AT_SYMLINK_NOFOLLOW) == 0 &&
      cached.inode == status.st_ino && cached.mtime_ns == mtime_ns(status) && cached.size == status.st_size)
    return cached.index;
  MRUN_ASSIGN(const UniqueFd fd, file_system.open(root.get(), "index.json", O_RDONLY, 0));
  if (::fstat(fd.get(), &status) < 0) return fail_errno(ErrorCode::io, errno, "can't look at index.json");
  MRUN_ASSIGN(const std::string text,
              read_all(fd.get(), k_max_index_bytes, "index.json", ErrorCode::store_corrupt));
  Result<StoreIndex> index = StoreIndex::parse(text);
  if (!index)
    return fail(ErrorCode::store_corrupt,
                fmt::format("{}: {}", (path / "index.json").string(), index.error().message),
                "move index.json away and pack the models again; the blobs are kept until `mrun gc`");
  cached = {status.st_ino, mtime_ns(status), status.st_size,
            std::make_shared<const StoreIndex>(std::move(*index))};
  return cached.index;
}

Result<void> Store::Impl::change_index(const std::function<Result<bool>(StoreIndex&)>& change) {
  MRUN_TRY(need_writable());
  MRUN_ASSIGN(const FileLock lock, FileLock::take(file_system, root.get(), "index.lock",
                                                  FileLock::Kind::exclusive, k_lock_patience));
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> current, read_index());
  StoreIndex index = *current;
  MRUN_ASSIGN(const bool changed, change(index));
  if (!changed) return {};
  return write_file(root.get(), "", "index.json", index.encode(), 0644);
}

Result<void> Store::Impl::write_file(int folder_fd, const std::string& folder, const std::string& name,
                                     std::string_view bytes, unsigned mode) {
  MRUN_TRY(need_writable());
  const std::string temporary = "tmp/" + new_temporary_name();
  const auto write = [&]() -> Result<void> {
    MRUN_ASSIGN(const UniqueFd fd,
                file_system.open(root.get(), temporary, O_WRONLY | O_CREAT | O_EXCL, mode));
    ::fchmod(fd.get(), mode); // whatever the umask says
    MRUN_TRY(file_system.write(fd.get(), bytes));
    MRUN_TRY(file_system.sync(fd.get()));
    return file_system.rename(root.get(), temporary, folder.empty() ? name : folder + "/" + name);
  };
  if (Result<void> written = write(); !written) {
    (void)file_system.unlink(root.get(), temporary); // what can't be removed now is a leftover for gc
    return written;
  }
  return file_system.sync(folder_fd);
}

Result<std::vector<std::pair<Digest, std::int64_t>>> Store::Impl::read_leases() {
  std::vector<std::pair<Digest, std::int64_t>> leases;
  const UniqueFd folder(::openat(root.get(), "leases", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW));
  if (!folder) return leases;
  MRUN_ASSIGN(const std::vector<std::string> names, file_system.list(folder.get()));
  for (const std::string& name : names) {
    const Result<Digest> digest = Digest::parse_hex(name);
    const Result<UniqueFd> fd =
        digest ? file_system.open(folder.get(), name, O_RDONLY, 0) : Result<UniqueFd>(UniqueFd());
    if (!digest || !fd) continue;
    const Result<std::string> text = read_all(fd->get(), 64, "a lease", ErrorCode::store_corrupt);
    std::int64_t end_ns = 0;
    if (text && std::from_chars(text->data(), text->data() + text->size(), end_ns).ec == std::errc())
      leases.emplace_back(*digest, end_ns);
  }
  return leases;
}

std::vector<WrittenPart> written_parts(int fd, std::uint64_t size) {
  constexpr std::uint64_t k_sure_bytes = 64 * k_kib; // no file system has larger blocks
  std::vector<WrittenPart> parts;
  off_t at = 0;
  while (static_cast<std::uint64_t>(at) < size) {
    const off_t begin = ::lseek(fd, at, SEEK_DATA);
    if (begin < 0) break; // nothing but a hole; or the file system does not know, and then nothing is sure
    const off_t hole = ::lseek(fd, begin, SEEK_HOLE);
    if (hole <= begin) break;
    const auto from = static_cast<std::uint64_t>(begin), to = static_cast<std::uint64_t>(hole);
    if (to >= size)
      parts.push_back({from, size});
    else if (to - from > k_sure_bytes)
      parts.push_back({from, to - k_sure_bytes});
    at = hole;
  }
  return parts;
}

std::uint64_t without_gap(int fd, std::uint64_t size) {
  const std::vector<WrittenPart> parts = written_parts(fd, size);
  return parts.empty() || parts.front().begin > 0 ? 0 : parts.front().end;
}

} // namespace mrun
