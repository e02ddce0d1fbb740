// How content of one's own comes into the store: hashed as it is read, written when it is new.
#include "packager/store_writer.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_read_bytes = 256 * k_kib; // the hash finds them in the core's cache
constexpr std::size_t k_flush_bytes = 4 * k_mib;
constexpr std::size_t k_write_bytes =
    1 * k_mib; // larger ones make the kernel look for larger stretches of memory

struct stat stat_of(int fd) {
  struct stat status {};
  MRUN_CHECK(::fstat(fd, &status) == 0);
  return status;
}

std::uint64_t size_of(std::span<const FileRange> ranges) {
  std::uint64_t size = 0;
  for (const FileRange& range : ranges)
    size += range.length;
  return size;
}

tl::unexpected<Error> changed(std::string_view name) {
  return fail(ErrorCode::pack_file_changed, fmt::format("{} changed while it was packed", printable(name)));
}

} // namespace

bool same_content(const struct stat& a, int fd) {
  const struct stat b = stat_of(fd);
  const auto same_time = [](const timespec& x, const timespec& y) {
    return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
  };
  return a.st_dev == b.st_dev && a.st_ino == b.st_ino && a.st_size == b.st_size &&
         same_time(a.st_mtim, b.st_mtim) && same_time(a.st_ctim, b.st_ctim);
}

Result<AddedBlob> Store::Writer::add_bytes(std::string_view bytes) {
  return add_hashed(bytes, Sha256::of(bytes));
}

Result<AddedBlob> Store::Writer::add_hashed(std::string_view bytes, const Digest& digest) {
  MRUN_ASSIGN(const bool known, has_blob(digest, bytes.size()));
  if (known) return AddedBlob{digest, bytes.size(), false};
  MRUN_ASSIGN(Incoming incoming, begin_blob());
  for (std::size_t at = 0; at < bytes.size(); at += k_write_bytes) {
    MRUN_TRY(m_store.file_system.write(incoming.m_fd.get(), bytes.substr(at, k_write_bytes)));
    // The disk begins at once, so that less is left for the fsync.
    if (at % k_flush_bytes == 0) ::sync_file_range(incoming.m_fd.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
  }
  MRUN_ASSIGN(const AddedBlob added, publish(incoming.m_name, incoming.m_fd.get(), digest, bytes.size()));
  incoming.m_writer = nullptr; // nothing left to drop
  return added;
}

Result<Store::Writer::Gathered> Store::Writer::gather(int fd, std::span<const FileRange> ranges,
                                                      std::uint64_t size, const Progress& progress) {
  Gathered out{m_buffers.borrow(static_cast<std::size_t>(size)), {}};
  Sha256 hash;
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  for (const FileRange& range : ranges) {
    for (std::uint64_t at = 0; at < range.length;) {
      const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(k_read_bytes, range.length - at));
      MRUN_ASSIGN(const std::string_view bytes, out.buffer->read(fd, range.offset + at, wanted));
      hash.update(bytes);
      at += bytes.size();
      if (progress) progress(out.buffer->text().size());
    }
  }
  out.digest = hash.finish();
  return out;
}

Result<AddedBlob> Store::Writer::add_as_read(int fd, std::span<const FileRange> ranges,
                                             const Progress& progress) {
  MRUN_ASSIGN(Incoming incoming, begin_blob());
  const auto take = [&](std::string_view bytes) -> Result<void> {
    MRUN_TRY(incoming.write(bytes));
    if (progress) progress(incoming.size());
    return {};
  };
  for (const FileRange& range : ranges)
    MRUN_TRY(read_range(fd, range.offset, range.length, "it", ErrorCode::pack_file_changed, take));
  return incoming.finish(std::nullopt);
}

Result<AddedBlob> Store::Writer::add_ranges(int fd, std::span<const FileRange> ranges,
                                            const Progress& progress) {
  const std::uint64_t size = size_of(ranges);
  if (size > k_most_buffered_bytes) return add_as_read(fd, ranges, progress);
  MRUN_ASSIGN(const Gathered gathered, gather(fd, ranges, size, progress));
  return add_hashed(gathered.buffer->text(), gathered.digest);
}

// A clone shares the blocks: nothing is copied, and its bytes can't change under the hash. nullopt: not on
// this file system.
Result<std::optional<AddedBlob>> Store::Writer::clone_file(int fd, const struct stat& before,
                                                           std::string_view name, const Progress& progress) {
  if (!m_can_clone || before.st_size == 0) return std::nullopt;
  MRUN_ASSIGN(Incoming incoming, begin_blob());
  m_can_clone = ::ioctl(incoming.m_fd.get(), FICLONE, fd) == 0;
  if (!m_can_clone) return std::nullopt;
  const auto size = static_cast<std::uint64_t>(before.st_size);
  Sha256 hash;
  std::uint64_t done = 0;
  MRUN_TRY(read_range(incoming.m_fd.get(), 0, size, "it", ErrorCode::pack_file_changed,
                      [&](std::string_view bytes) -> Result<void> {
                        hash.update(bytes);
                        done += bytes.size();
                        if (progress) progress(done);
                        return {};
                      }));
  if (!same_content(before, fd)) return changed(name);
  MRUN_ASSIGN(const AddedBlob added, publish(incoming.m_name, incoming.m_fd.get(), hash.finish(), size));
  incoming.m_writer = nullptr; // nothing left to drop
  return added;
}

Result<AddedBlob> Store::Writer::add_file(int fd, std::string_view name, const Progress& progress) {
  const struct stat before = stat_of(fd);
  const FileRange whole{0, static_cast<std::uint64_t>(before.st_size)};
  const auto add = [&]() -> Result<AddedBlob> {
    MRUN_ASSIGN(const std::optional<AddedBlob> cloned, clone_file(fd, before, name, progress));
    if (cloned) return *cloned;
    if (whole.length > k_most_buffered_bytes) return add_as_read(fd, {&whole, 1}, progress);
    MRUN_ASSIGN(const Gathered gathered, gather(fd, {&whole, 1}, whole.length, progress));
    if (!same_content(before, fd)) return changed(name);
    return add_hashed(gathered.buffer->text(), gathered.digest);
  };
  Result<AddedBlob> added = add();
  if (!added && added.error().code == ErrorCode::pack_file_changed) return changed(name);
  if (!added)
    return tl::unexpected<Error>(
        std::move(added).error().with_note(fmt::format("while adding {}", printable(name))));
  if (!same_content(before, fd)) return changed(name);
  return added;
}

} // namespace mrun
