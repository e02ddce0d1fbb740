// Files of a bundle or of an archive in it, unpacked into the bundle's cache folder once and used from there
// by every later load: the system's loader and other programs want files, and processes that open the same
// one share it.
#pragma once

#include <string>
#include <vector>

#include "common/error.h"
#include "common/fd.h"

namespace mrun {

struct UnpackedFile {
  std::string name; // a relative path without `.` and `..`
  std::string_view bytes;
};

class UnpackedFolder {
 public:
  // `cache_fd`: the bundle's cache folder, which is the user's own (mode 0700) and stays open for as long as
  // the process. The folder `name` in it is written under another name, synced, then renamed, so it is whole
  // or not there. One that is there is used when each file has the size, inode and times that were written
  // down when it was unpacked; anything else is thrown away and unpacked again. All files are executable and
  // read-only. Errors: io, disk_full, load_failed.
  static Result<UnpackedFolder> open(int cache_fd, const std::string& name,
                                     const std::vector<UnpackedFile>& files);

  // A path that the loader can open: /proc/self/fd/N.
  std::string path() const;
  bool was_there() const { return m_was_there; }

 private:
  UniqueFd m_folder;
  bool m_was_there = false;
};

} // namespace mrun
