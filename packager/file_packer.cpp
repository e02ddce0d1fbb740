#include "packager/file_packer.h"

#include <algorithm>
#include <set>

#include "packager/cut_packer.h"
#include "packager/group_packer.h"
#include "packager/pack_plan.h"
#include "packager/pack_run.h"

namespace mrun {
namespace {

// A file that is a blob of its own.
Result<void> add_whole(PackRun& run, std::size_t file) {
  MRUN_ASSIGN(const PackRun::OpenFile opened, run.open(file));
  const std::string& name = run.selected(file).path.text();
  if (auto noted = run.find_note(file, opened.status, 0)) {
    run.progress(file)(run.selected(file).size);
    run.keep(file, opened.status, 0, std::move(*noted));
    return {};
  }
  MRUN_ASSIGN(const AddedBlob added, run.writer().add_file(opened.fd.get(), name, run.progress(file)));
  run.keep(file, opened.status, 0, {{{added.digest, 0, added.size}}, {{added.digest, added.size}}});
  run.count(added);
  return {};
}

// A piece is held whole; of content that is cut, one is read while others wait.
std::uint64_t most_bytes_a_job(const CutSizes& sizes) {
  const std::uint64_t piece =
      std::min(std::max(sizes.piece_bytes, k_whole_file_bytes), k_most_buffered_bytes);
  return std::max(piece, 3 * sizes.content.most_bytes);
}

} // namespace

Result<PackedFiles> pack_files(Store::Writer& writer, int folder_fd,
                               const std::vector<SelectedFile>& selected, PackCache& cache,
                               const PackWatcher& watcher) {
  PackRun run(writer, folder_fd, selected, cache, watcher);
  CutPacker cut(run);
  for (std::size_t i = 0; i < selected.size(); ++i)
    if (selected[i].size > k_whole_file_bytes) MRUN_TRY(cut.open(i));
  PackPlan plan = plan_pack(selected, [&](const std::vector<bool>& is_cut, const CutSizes& sizes) {
    return cut.plan(is_cut, sizes);
  });
  std::uint64_t group_bytes = 0; // of the largest one that is gathered in memory
  for (const FileGroup& group : plan.groups)
    if (group.size_bytes <= k_most_buffered_bytes) group_bytes = std::max(group_bytes, group.size_bytes);
  GroupPacker groups(run);
  groups.add_jobs(std::move(plan.groups));
  for (std::size_t i = 0; i < selected.size(); ++i)
    if (plan.is_whole[i]) run.pool().add([&run, i] { return add_whole(run, i); });
  cut.add_jobs(plan.sizes);
  run.pool().limit_memory(std::max(most_bytes_a_job(plan.sizes), group_bytes));
  MRUN_TRY(run.pool().run());

  PackedFiles out;
  MRUN_ASSIGN(const std::vector<BlobClaim> pieces, cut.finish(plan.sizes));
  std::set<Digest> listed;
  for (const std::vector<BlobClaim>& blobs : {pieces, groups.pieces()})
    for (const BlobClaim& blob : blobs)
      if (listed.insert(blob.digest).second) out.parts.pieces.push_back(blob);
  out.parts.files = run.take_files();
  out.parts.is_widened = plan.is_widened;
  for (const BundleFile& file : out.parts.files)
    out.size_bytes += file.size;
  out.new_bytes = run.new_bytes();
  return out;
}

} // namespace mrun
