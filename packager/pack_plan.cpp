#include "packager/pack_plan.h"

#include <algorithm>

#include "common/limits.h"
#include "packager/bundle_format.h"

namespace mrun {
namespace {

constexpr std::size_t k_manifest_goal_bytes = 3 * k_mib; // registries refuse manifests above 4 MiB
constexpr std::size_t k_head_bytes = 1 * k_kib;     // of the manifest without its layers, and the recipe's
constexpr std::size_t k_piece_layer_bytes = 160;    // of a piece in the manifest, generously
constexpr std::size_t k_file_layer_bytes = 400;     // of a whole file with a name of some length
constexpr std::size_t k_nameless_layer_bytes = 450; // the same but for the name, which is there twice
constexpr std::size_t k_least_pieces = 1000;
constexpr int k_most_scale = 20;
constexpr int k_most_widened = 24; // then files of less than 16 TiB share blobs

class Planning {
 public:
  Planning(const std::vector<SelectedFile>& files, const CountPieces& count)
      : m_files(files),
        m_count(count) {}

  // Rule t1 where it fits: what was packed by it keeps its digest.
  PackPlan run() {
    PackPlan plan;
    for (int widened = 0; widened <= k_most_widened; ++widened) {
      plan = with(widened);
      const std::size_t pieces = plan_cuts(plan);
      if (fits(plan, pieces)) break;
    }
    return plan;
  }

 private:
  PackPlan with(int widened) const {
    PackPlan plan;
    plan.is_widened = widened > 0;
    plan.groups = group_small_files(m_files, widened);
    std::vector<bool> is_grouped(m_files.size());
    for (const FileGroup& group : plan.groups)
      for (const std::size_t file : group.files)
        is_grouped[file] = true;
    for (std::size_t i = 0; i < m_files.size(); ++i) {
      plan.is_cut.push_back(!is_grouped[i] && m_files[i].size > k_whole_file_bytes);
      plan.is_whole.push_back(!is_grouped[i] && !plan.is_cut[i]);
    }
    return plan;
  }

  // The smallest sizes with which the pieces fit beside the rest.
  std::size_t plan_cuts(PackPlan& plan) const {
    const auto whole = static_cast<std::size_t>(std::ranges::count(plan.is_whole, true));
    const std::size_t others = whole * k_file_layer_bytes + plan.groups.size() * k_piece_layer_bytes;
    const std::size_t budget = k_manifest_goal_bytes - std::min(k_manifest_goal_bytes, others);
    const std::size_t allowed = std::max(k_least_pieces, budget / k_piece_layer_bytes);
    for (int scale = 0;; ++scale) {
      plan.sizes = CutSizes(scale);
      const std::size_t pieces = m_count(plan.is_cut, plan.sizes);
      if (pieces <= allowed || scale == k_most_scale) return pieces;
    }
  }

  // Layers are written out to see their length only when a bound is not enough.
  bool fits(const PackPlan& plan, std::size_t pieces) const {
    const std::size_t others = k_head_bytes + (pieces + plan.groups.size()) * k_piece_layer_bytes;
    const auto fit = [&](const std::function<std::size_t(const SelectedFile&)>& layer_bytes) {
      std::size_t bytes = others;
      for (std::size_t i = 0; i < m_files.size() && bytes <= k_manifest_goal_bytes; ++i)
        if (plan.is_whole[i]) bytes += layer_bytes(m_files[i]);
      return bytes <= k_manifest_goal_bytes;
    };
    return fit([](const SelectedFile& file) {
             return k_nameless_layer_bytes + 6 * file.path.text().size();
           }) ||
           fit([](const SelectedFile& file) { return file_layer_bytes(file.path, file.size); });
  }

  const std::vector<SelectedFile>& m_files;
  const CountPieces& m_count;
};

} // namespace

PackPlan plan_pack(const std::vector<SelectedFile>& files, const CountPieces& count) {
  return Planning(files, count).run();
}

} // namespace mrun
