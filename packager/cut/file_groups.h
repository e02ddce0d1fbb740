// For very many files: those that are small share blobs, so that the manifest stays small
// (docs/formats/bundle.md).
#pragma once

#include <cstdint>
#include <vector>

#include "packager/file_select.h"

namespace mrun {

// Files that lie in one blob, one behind the other.
struct FileGroup {
  std::vector<std::size_t> files; // places in the list
  std::uint64_t size_bytes = 0;   // above 0
};

// Rule t1 (`widened` 0): nothing up to k_most_whole_files files; above, those of less than k_grouped_bytes,
// but mrun.yaml, in the order of the list. A group ends when the next file would make it larger than the
// least size with which there are about as many groups as files may be whole. Rule t2: the same for any
// number of files, with k_grouped_bytes doubled `widened` times. Depends on paths and sizes alone.
std::vector<FileGroup> group_small_files(const std::vector<SelectedFile>& files, int widened);

inline constexpr std::size_t k_most_whole_files = 2000;
inline constexpr std::uint64_t k_grouped_bytes = 1 << 20;

} // namespace mrun
