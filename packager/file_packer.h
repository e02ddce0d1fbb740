// The files of a model directory on their way into the store: whole, several in a blob, or cut into pieces.
// Internal to the packager.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "packager/bundle_format.h"
#include "packager/file_select.h"
#include "packager/pack_cache.h"
#include "packager/store_writer.h"

namespace mrun {

struct PackProgress {
  std::string path;             // a file being added
  std::uint64_t done_bytes = 0; // of all files; a file that is read again counts once
  std::uint64_t total_bytes = 0;
};
using PackWatcher = std::function<void(const PackProgress&)>; // on any thread, one call at a time

struct PackedFiles {
  BundleParts parts; // without the recipe; files in the order of `selected`
  std::uint64_t size_bytes = 0;
  std::uint64_t new_bytes = 0; // written to the store
};

// Adds the files below `folder_fd` on all cores: each byte is read once, and written when the store lacks it.
// `cache`: files that it knows are not read. Memory: up to 64 MiB a thread. Errors: pack_file_refused,
// pack_file_changed, disk_full, …
Result<PackedFiles> pack_files(Store::Writer& writer, int folder_fd,
                               const std::vector<SelectedFile>& selected, PackCache& cache,
                               const PackWatcher& watcher);

} // namespace mrun
