// How the files of a model become blobs, such that the manifest stays below 3 MiB. Internal to the packager.
#pragma once

#include <functional>
#include <vector>

#include "packager/cut/cut_plan.h"
#include "packager/cut/file_groups.h"
#include "packager/file_select.h"

namespace mrun {

struct PackPlan {
  std::vector<FileGroup> groups;
  std::vector<bool> is_whole; // of each file: it is a blob of its own
  std::vector<bool> is_cut;
  CutSizes sizes{0};
  bool is_widened = false; // rule t2
};

// How many pieces come of the files of `is_cut` at most.
using CountPieces = std::function<std::size_t(const std::vector<bool>& is_cut, const CutSizes& sizes)>;

// The last call of `count` is the one whose pieces are planned.
PackPlan plan_pack(const std::vector<SelectedFile>& files, const CountPieces& count);

} // namespace mrun
