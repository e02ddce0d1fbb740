// What the last pack of a model directory found, so that files that have not changed since are not read
// again.
//
// A note is believed only for the very file (device, inode) with the same size, mtime and ctime; ctime can't
// be set by a program. A file that was changed just before it was read is not noted: a second change in the
// same tick of the clock would not show. File systems of other machines are not noted either.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "packager/bundle_format.h"

namespace mrun {

struct PackNote {
  std::vector<Segment> segments;
  std::vector<BlobClaim> pieces; // that the segments lie in; of a whole file, itself
};

// Any thread may find and note.
class PackCache {
 public:
  // `folder`: where the notes of all model directories lie, one file each; created when first written.
  // `model`: the open model directory. Never fails: what can't be read is no note.
  PackCache(std::filesystem::path folder, int model);

  // `scale`: of the cutting rule; other sizes are other pieces.
  std::optional<PackNote> find(const std::string& path, const struct stat& status, int scale) const;
  void note(const std::string& path, const struct stat& status, int scale, PackNote note);
  // When the notes were written: blobs that are older are the ones that they speak of.
  std::int64_t written_ns() const { return m_written_ns; }
  // Best effort. Drops the notes of files that this pack did not note, and of directories that nobody packed
  // for a month.
  void save() const;

 private:
  struct Entry {
    std::uint64_t device = 0, inode = 0, size = 0;
    std::int64_t mtime_ns = 0, ctime_ns = 0;
    int scale = 0;
    PackNote note;
  };
  static Entry entry_of(const struct stat& status, int scale);
  static bool same_file(const Entry& a, const Entry& b);
  void read();
  bool read_entry(const Json& json);

  std::filesystem::path m_file; // "": no notes are kept
  std::int64_t m_started_ns;
  std::int64_t m_written_ns = 0;
  std::map<std::string, Entry> m_old;
  mutable std::mutex m_mutex;         // of what follows
  std::map<std::string, Entry> m_new; // by path
};

} // namespace mrun
