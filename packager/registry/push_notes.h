// Which versions this user has pushed where, so that their blobs can be mounted instead of sent again.
//
// A cache: what it says is tried, never relied on. One small JSON file, the latest pushes first.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/digest.h"

namespace mrun {

struct PushNote {
  std::string origin; // host/repository
  Digest version;
};

class PushNotes {
 public:
  // `file`: "" keeps none. Never fails: what can't be read is no note.
  explicit PushNotes(std::filesystem::path file) : m_file(std::move(file)) {}

  std::vector<PushNote> read() const;
  // Best effort; a push at the same time may lose one of two notes.
  void add(PushNote note) const;

 private:
  std::filesystem::path m_file;
};

} // namespace mrun
