// The sha256 of cut files as one piece, kept so that an export reads them once. The key is the digest of the
// file's segments, so a note can't become wrong; a registry checks it again anyway.
#pragma once

#include <filesystem>
#include <map>
#include <optional>

#include "packager/store.h"

namespace mrun {

// Reads its file when made. Never fails: what can't be read or written is hashed again. One thread at a time.
class WholeDigests {
 public:
  explicit WholeDigests(std::filesystem::path file); // "": keeps nothing

  std::optional<Digest> find(const BundleFile& file) const;
  void note(const BundleFile& file, const Digest& whole);
  void save() const; // best effort; when something was noted

 private:
  std::filesystem::path m_file;
  std::map<Digest, Digest> m_known; // of the segments → of the content
  bool m_changed = false;
};

} // namespace mrun
