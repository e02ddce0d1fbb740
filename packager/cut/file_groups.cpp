#include "packager/cut/file_groups.h"

#include <algorithm>

#include "packager/bundle_format.h"

namespace mrun {

std::vector<FileGroup> group_small_files(const std::vector<SelectedFile>& files, int widened) {
  if (widened == 0 && files.size() <= k_most_whole_files) return {};
  const std::uint64_t below = k_grouped_bytes << widened;
  const auto is_small = [&](const SelectedFile& file) {
    return file.size < below && file.path.text() != k_bundle_manifest_name;
  };
  std::uint64_t total = 0;
  for (const SelectedFile& file : files)
    total += is_small(file) ? file.size : 0;
  const std::uint64_t limit = std::max(below, total / k_most_whole_files);
  std::vector<FileGroup> groups;
  for (std::size_t i = 0; i < files.size(); ++i) {
    if (!is_small(files[i])) continue;
    if (groups.empty() || groups.back().size_bytes + files[i].size > limit) groups.emplace_back();
    groups.back().files.push_back(i);
    groups.back().size_bytes += files[i].size;
  }
  // Files without a byte at the end may be left alone: a blob of nothing is what they are.
  if (!groups.empty() && groups.back().size_bytes == 0) groups.pop_back();
  return groups;
}

} // namespace mrun
