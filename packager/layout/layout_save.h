// `mrun save`: versions of the store as a tar of an OCI image layout.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "packager/archive/archive_writer.h"
#include "packager/store.h"

namespace mrun {

struct SavedVersion {
  Digest digest;
  std::string name; // owner/name:tag, as the index keeps it; "" without a tag
};

struct SaveOptions {
  std::function<void(std::uint64_t done_bytes, std::uint64_t total_bytes)> on_progress; // of the blobs
  std::function<bool()> is_stopped; // then the error is interrupted_by_user
};

struct SaveResult {
  std::size_t blobs = 0;
  std::uint64_t blob_bytes = 0;
};

// The same bytes for the same versions and names: blobs sorted by digest, each once and only what the
// versions need, then index.json and oci-layout. Each blob is hashed as it goes. Constant memory. Errors:
// store_corrupt, interrupted_by_user, those of load() and of the sink.
Result<SaveResult> save_layout(const Store& store, const std::vector<SavedVersion>& versions,
                               ArchiveSink sink, const SaveOptions& options);

} // namespace mrun
