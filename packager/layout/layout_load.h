// `mrun load`: bundles of an OCI image layout come into the store, from a tar (plain, gzip, zstd) or a
// folder.
//
// All of it is a stranger's. A tar may hold oci-layout, index.json and blobs in any order; other regular
// files are passed over; links, devices and sparse files are refused. Each blob is hashed as it arrives and
// kept only under its own digest; a version gets its name when everything of it is there and was checked as a
// pull does.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <vector>

#include "packager/archive/archive_reader.h"
#include "packager/store.h"

namespace mrun {

struct LoadRequest {
  std::optional<Reference> name; // of the one version that there is; default: what its index says
  bool force = false;            // move a tag that means another version here
  std::function<void(std::uint64_t read_bytes)> on_progress; // of the archive, or of the folder's blobs
  std::function<bool()> is_stopped;                          // then the error is interrupted_by_user
};

struct LoadedVersion {
  Digest digest;
  Reference reference;            // owner/name:tag here; without a tag: kept under its digest
  std::uint64_t size_bytes = 0;   // of its files
  std::optional<Digest> previous; // what the tag meant before, if that was something else
};

struct LoadResult {
  std::vector<LoadedVersion> versions;
  std::size_t other_artifacts = 0; // of the index: no mrun bundles
  std::uint64_t new_bytes = 0;     // written to the store
};

// Errors: bundle_invalid (no layout, damaged, a blob of another content, no bundle in it), path_refused,
// tag_elsewhere, disk_full, interrupted_by_user, usage (a name for several versions), those of the source.
Result<LoadResult> load_archive(Store& store, ArchiveSource source, const LoadRequest& request);
// Only the blobs that its bundles need are read. Error bundle_invalid: `folder` is no layout.
Result<LoadResult> load_folder(Store& store, const std::filesystem::path& folder, const LoadRequest& request);

} // namespace mrun
