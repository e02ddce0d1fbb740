// The folders and locks of one store, and writing a small file into it atomically. Internal to the packager.
#pragma once

#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

#include "common/clock.h"
#include "common/fd.h"
#include "common/fs.h"
#include "packager/store.h"
#include "packager/store_index.h"

namespace mrun {

// A flock; released when destroyed (the kernel releases it when the process dies).
class FileLock {
 public:
  enum class Kind { shared, exclusive };
  // Waits at most `patience`. Errors: store_busy, store_read_only, io.
  static Result<FileLock> take(FileSystem& file_system, int dir_fd, const std::string& name, Kind kind,
                               std::chrono::milliseconds patience);

 private:
  explicit FileLock(UniqueFd fd) : m_fd(std::move(fd)) {}
  UniqueFd m_fd;
};

struct Store::Impl {
  Impl(std::filesystem::path folder, FileSystem& fs, const Clock& time)
      : path(std::move(folder)),
        file_system(fs),
        clock(time) {}

  std::filesystem::path path;
  FileSystem& file_system;
  const Clock& clock;
  UniqueFd root;
  UniqueFd blobs; // blobs/sha256
  UniqueFd tmp;   // invalid in a store that can't be written
  bool read_only = false;

  // The parsed index, as long as index.json is the same file with the same time and size.
  struct CachedIndex {
    ino_t inode = 0;
    std::int64_t mtime_ns = 0;
    off_t size = -1;
    std::shared_ptr<const StoreIndex> index; // shared: a reader keeps the one it began with
  };
  std::mutex index_mutex;
  CachedIndex cached_index; // under index_mutex

  Result<std::shared_ptr<const StoreIndex>> read_index();
  // Takes index.lock, reads the index fresh, lets `change` edit it, writes it. `change` returns false to
  // write nothing.
  Result<void> change_index(const std::function<Result<bool>(StoreIndex&)>& change);
  // tmp/… + fsync + rename to `folder`/name + fsync of the folder.
  Result<void> write_file(int folder_fd, const std::string& folder, const std::string& name,
                          std::string_view bytes, unsigned mode);
  Result<void> need_writable() const;
  // Lease times by digest; broken or foreign files are skipped.
  Result<std::vector<std::pair<Digest, std::int64_t>>> read_leases();
  Result<void> write_leases(const std::set<Digest>& digests, std::chrono::seconds lifetime);
  Result<void> create_layout();
  // What gc may not touch, and what it may.
  struct Liveness {
    std::set<Digest> blobs;
    std::set<Digest> ended_leases;
    std::set<Digest> ended_entries; // untagged versions whose lease has ended, and what belonged to such
  };
  Result<Liveness> find_live(const Store& store, GcReach reach);
  Result<GcPlan> plan(const Store& store, const Liveness& live, GcReach reach);
  // When nobody else writes now: removes what interrupted writers left in tmp/.
  void clear_leftovers();
  // Of tmp/; partial downloads and notes that are younger than a day are none, but with `all`.
  Result<std::vector<std::string>> leftovers(GcReach reach);
  // The notes that count.
  Result<std::vector<std::string>> young_notes();
  bool is_young(int tmp_fd, const std::string& name) const; // written within k_partial_lifetime
  // Of tmp/, as Store::Writer's; "" when it is absent, too large or no file.
  std::string read_note(const std::string& name) const;
  std::uint64_t partial_bytes(const Digest& digest, std::uint64_t size) const; // as Store's
  Result<std::vector<Digest>> versions_with_prefix(const Store& store, std::string_view prefix);
};

// What an interrupted pull left: of a blob tmp/pull-HEX, of which blobs it brought and will want
// tmp/kept-HEX (packager/pull_notes.h). gc takes it when nobody has written to it for a day.
inline constexpr std::string_view k_partial_prefix = "pull-";
inline constexpr std::string_view k_note_prefix = "kept-";
inline constexpr std::size_t k_max_note_bytes = 16 * k_mib;
inline constexpr std::chrono::hours k_partial_lifetime{24};
struct WrittenPart {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};
// What lies between its holes, where nothing came. The block before a hole may have been begun only, and is
// left out; zeros of a power cut are for the hash to find.
std::vector<WrittenPart> written_parts(int fd, std::uint64_t size);
// Of a file that is written from its beginning on: up to the first hole.
std::uint64_t without_gap(int fd, std::uint64_t size);

// A name in tmp/ that no other writer uses.
std::string new_temporary_name();
inline constexpr std::chrono::milliseconds k_lock_patience{10'000};

} // namespace mrun
