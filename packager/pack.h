// `mrun pack`: a model directory becomes a bundle in the store.
#pragma once

#include <filesystem>
#include <functional>

#include "packager/file_packer.h"
#include "packager/store.h"

namespace mrun {

struct PackOptions {
  std::optional<Reference> tag; // default: the manifest's name with tag `latest`
  bool untagged = false;        // packed on the fly: no tag, a 24 h lease
  std::filesystem::path notes;  // folder of the notes that spare reading unchanged files; "": none
  PackWatcher on_progress;
  // Looks at the model before anything is added; its error ends the pack. Empty: nothing looks.
  std::function<Result<void>(const Manifest& manifest, const std::filesystem::path& folder)> check = {};
};

struct PackResult {
  Digest digest;
  Reference reference; // what it was tagged as; empty when untagged
  std::uint64_t size_bytes = 0;
  std::uint64_t new_bytes = 0; // written to the store by this pack
  std::size_t file_count = 0;
};

// Reads `folder`/mrun.yaml, selects files by its globs, checks them (regular, safe paths, no case collisions,
// every file that the manifest names is there), adds them on all cores, the large ones in pieces (rule t1),
// and writes recipe, config and manifest. The digest depends on mrun.yaml's bytes and the files' paths,
// contents and owner-x bits only. Errors: manifest_*, pack_file_missing, pack_file_refused, path_refused,
// pack_file_changed, disk_full, …
Result<PackResult> pack_directory(Store& store, const std::filesystem::path& folder,
                                  const PackOptions& options);

// The same for files that were selected otherwise. `text`: the mrun.yaml; it is added when it is not among
// the files.
Result<PackResult> pack_selected(Store& store, int folder_fd, const std::vector<SelectedFile>& selected,
                                 const std::string& text, const PackOptions& options);

} // namespace mrun
