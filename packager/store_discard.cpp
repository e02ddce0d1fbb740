// Taking damaged blobs out of the store.
#include "packager/store.h"

#include <cerrno>

#include <fcntl.h>
#include <sys/stat.h>

#include "packager/sha256.h"
#include "packager/store_files.h"

namespace mrun {
namespace {

// Of what is there and a regular file: whether its content is not its name's.
Result<bool> is_damaged(int blobs, const Digest& blob) {
  const UniqueFd fd(::openat(blobs, blob.hex().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return false;
  struct stat status {};
  if (::fstat(fd.get(), &status) < 0 || !S_ISREG(status.st_mode)) return false;
  Sha256 hash;
  MRUN_TRY(read_range(fd.get(), 0, static_cast<std::uint64_t>(status.st_size), "a blob",
                      ErrorCode::store_corrupt, [&](std::string_view bytes) -> Result<void> {
                        hash.update(bytes);
                        return {};
                      }));
  return hash.finish() != blob;
}

} // namespace

// A lock for each, so that nobody waits for all of them.
Result<std::vector<Digest>> Store::discard(const std::vector<Digest>& blobs) {
  Impl& impl = *m_impl;
  MRUN_TRY(impl.need_writable());
  std::vector<Digest> gone;
  for (const Digest& blob : blobs) {
    MRUN_ASSIGN(const FileLock lock, FileLock::take(impl.file_system, impl.root.get(), "lock",
                                                    FileLock::Kind::exclusive, k_lock_patience));
    MRUN_ASSIGN(const bool damaged, is_damaged(impl.blobs.get(), blob));
    if (!damaged) continue; // a pack or a pull has mended it since
    MRUN_TRY(impl.file_system.unlink(impl.root.get(), "blobs/sha256/" + blob.hex()));
    gone.push_back(blob);
  }
  return gone;
}

} // namespace mrun
