// Which files of a folder that somebody else laid out are the model. Internal to packager/interop.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "common/fd.h"
#include "packager/file_select.h"

namespace mrun {

struct FoundFiles {
  UniqueFd folder; // `files` lie below it
  std::vector<SelectedFile> files;
  std::string owner, name; // what the place is called: a repository's owner and name, or a folder
};

// All regular files below a folder but hidden ones, sorted. In the Hugging Face cache
// (models--OWNER--NAME/snapshots/REV) the entries are links into its blobs/, and only there they are
// followed. Errors: pack_file_refused (a link that leads elsewhere, a device), path_refused, manifest_limit,
// io.
Result<FoundFiles> find_folder(const std::filesystem::path& folder);

// A .gguf file, and the other parts when its name ends with -00001-of-00003. Errors: also pack_file_missing.
Result<FoundFiles> find_gguf(const std::filesystem::path& file);

} // namespace mrun
