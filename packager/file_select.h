// Which files of a model directory go into the bundle. Internal to the packager.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/fd.h"
#include "common/safe_path.h"

namespace mrun {

struct SelectedFile {
  SafePath path;
  std::uint64_t size = 0;  // as seen; the writer looks again
  std::string source = {}; // where it lies below the folder, when that is not `path`
};

// Walks the directory `folder_fd` without following links and returns what the globs match and mrun.yaml,
// sorted by path. Errors: pack_file_missing (a glob that matches nothing), pack_file_refused (a link, device,
// pipe or socket that a glob matches), path_refused, manifest_limit.
Result<std::vector<SelectedFile>> select_files(int folder_fd, const std::vector<std::string>& globs);

// Opens one of them for reading. Error pack_file_refused when it has become something else meanwhile.
Result<UniqueFd> open_selected(int folder_fd, const SelectedFile& file);

} // namespace mrun
