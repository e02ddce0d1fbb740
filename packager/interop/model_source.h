// The files of a model that somebody else laid out, wherever they lie: a folder, an artifact, a bundle.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/safe_path.h"
#include "packager/store.h"
#include "packager/weights/weight_layout.h"

namespace mrun {

struct SourceFile {
  SafePath path;
  std::uint64_t size = 0;
  ReadAt read_at;
};

struct ModelSource {
  std::vector<SourceFile> files; // sorted by path

  const SourceFile* find(std::string_view path) const; // nullptr when there is none
  // The files whose lower-case name ends so.
  std::vector<const SourceFile*> with_suffix(std::string_view suffix) const;
  // A small file whole; "" when it isn't there or has more than `limit` bytes. Errors: those of read_at.
  Result<std::string> read_small(std::string_view path, std::size_t limit) const;
};

// The files of a bundle, read out of the store that holds their blobs. The store outlives the source.
ModelSource source_of(const Store& store, const std::vector<BundleFile>& files);

} // namespace mrun
