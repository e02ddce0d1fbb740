#include "cli/bench/measure/residency.h"

#include <cerrno>
#include <functional>
#include <set>
#include <system_error>
#include <vector>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mrun::bench {
namespace {

// The kernel's ABI, which glibc's headers do not have yet (Linux 6.5).
constexpr long k_sys_cachestat = 451;
struct CachestatRange {
  std::uint64_t offset = 0;
  std::uint64_t length = 0; // 0: to the end
};
struct Cachestat {
  std::uint64_t cached = 0, dirty = 0, writeback = 0, evicted = 0, recently_evicted = 0;
};

std::set<Digest> blobs_of(const Bundle& bundle) {
  std::set<Digest> blobs;
  for (const BundleFile& file : bundle.files)
    for (const Segment& segment : file.segments)
      blobs.insert(segment.blob);
  return blobs;
}

// Calls `visit` with each file, open to be read.
Result<void> visit_files(const LoadedFiles& files, const std::function<Result<void>(int fd)>& visit) {
  for (const Digest& blob : blobs_of(files.bundle)) {
    MRUN_ASSIGN(const UniqueFd fd, files.store.open_blob(blob));
    MRUN_TRY(visit(fd.get()));
  }
  std::error_code error;
  auto entry = std::filesystem::recursive_directory_iterator(files.prepared, error);
  for (; !error && entry != std::filesystem::recursive_directory_iterator(); entry.increment(error)) {
    if (!entry->is_regular_file(error) || entry->is_symlink(error)) continue;
    const UniqueFd fd(::open(entry->path().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
    if (!fd && errno == ENOENT) continue; // a name that was only for writing
    if (!fd) return fail_errno(ErrorCode::io, errno, fmt::format("can't open {}", entry->path().string()));
    MRUN_TRY(visit(fd.get()));
  }
  if (error && error != std::errc::no_such_file_or_directory)
    return fail_errno(ErrorCode::io, error.value(), fmt::format("can't list {}", files.prepared.string()));
  return {};
}

Result<std::uint64_t> resident_by_mincore(int fd, std::uint64_t size, std::uint64_t page) {
  void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) return fail_errno(ErrorCode::io, errno, "can't map a file of the model");
  std::vector<unsigned char> pages((size + page - 1) / page);
  const int failed = ::mincore(memory, size, pages.data());
  const int problem = errno;
  ::munmap(memory, size);
  if (failed != 0) return fail_errno(ErrorCode::io, problem, "can't ask for the page cache");
  std::uint64_t resident = 0;
  for (const unsigned char state : pages)
    resident += state & 1U;
  return resident;
}

Result<void> add_file(int fd, Residency& sum) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return fail_errno(ErrorCode::io, errno, "can't look at a file of the model");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  const auto page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  if (size == 0) return {};
  sum.pages += (size + page - 1) / page;
  CachestatRange range;
  Cachestat cache;
  if (::syscall(k_sys_cachestat, fd, &range, &cache, 0) == 0) {
    sum.resident += cache.cached;
    return {};
  }
  MRUN_ASSIGN(const std::uint64_t resident, resident_by_mincore(fd, size, page));
  sum.resident += resident;
  return {};
}

} // namespace

Result<Residency> read_residency(const LoadedFiles& files) {
  Residency sum;
  MRUN_TRY(visit_files(files, [&](int fd) { return add_file(fd, sum); }));
  return sum;
}

Result<void> evict(const LoadedFiles& files) {
  return visit_files(files, [](int fd) -> Result<void> {
    if (::fsync(fd) != 0) return fail_errno(ErrorCode::io, errno, "can't sync a file of the model");
    if (const int problem = ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED); problem != 0)
      return fail_errno(ErrorCode::io, problem, "can't take a file of the model out of the page cache");
    return {};
  });
}

Result<void> need_root() {
  if (::geteuid() == 0) return {};
  return fail(ErrorCode::bench_privilege, "the page cache of the machine can't be emptied without root",
              "use --cold disk: it empties only the model's files, and needs no right");
}

Result<void> drop_all_caches() {
  ::sync();
  const UniqueFd fd(::open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC));
  if (!fd || ::write(fd.get(), "3\n", 2) != 2)
    return fail_errno(ErrorCode::bench_privilege, errno, "can't empty the page cache of the machine");
  return {};
}

} // namespace mrun::bench
