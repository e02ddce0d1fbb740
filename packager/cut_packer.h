// Large files, cut where tensors begin or by their content. Internal to the packager.
#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "packager/cut/cut_plan.h"
#include "packager/pack_run.h"

namespace mrun {

class CutPacker {
 public:
  explicit CutPacker(PackRun& run) : m_run(run) {}

  // Reads the file's header. Errors: pack_file_refused, pack_file_changed.
  Result<void> open(std::size_t file);
  // Plans those of the files that `is_cut` names; returns the most pieces that can come of it.
  std::size_t plan(const std::vector<bool>& is_cut, const CutSizes& sizes);
  // The plan stands: jobs for the files of it that have changed since the last pack.
  void add_jobs(const CutSizes& sizes);
  // When the jobs are done: keeps the files, and gives their pieces in the order of the files.
  Result<std::vector<BlobClaim>> finish(const CutSizes& sizes);

 private:
  // A run of a file's bytes that is one blob, or (glue) a part of one.
  struct Piece {
    FileRange range;
    AddedBlob blob;
  };
  // A piece of the plan; one that is cut by its content becomes several.
  struct Stretch {
    CutPiece plan;
    std::deque<Piece> pieces; // a deque: jobs fill its entries while more are added
  };
  struct Glue {
    std::vector<FileRange> ranges;
    AddedBlob blob;
  };
  struct CutFile {
    std::size_t index = 0;
    struct stat before {};
    std::optional<WeightLayout> layout;
    std::vector<CutPiece> plan;    // empty: not of the plan
    std::optional<PackNote> noted; // it has not changed since the last pack
    std::deque<Stretch> stretches;
    std::deque<Glue> glues; // each up to a whole file's size
  };

  void add_file_jobs(CutFile& file, const CutSizes& sizes);
  Result<void> add_ranges(const CutFile& file, std::span<const FileRange> ranges, AddedBlob& blob);
  Result<void> scan(const CutFile& file, Stretch& stretch, ChunkSizes sizes);
  Result<void> hand_over(const CutFile& file, Stretch& stretch, std::uint64_t begin,
                         std::shared_ptr<PieceBuffer> chunk);
  Result<void> add_chunk(const CutFile& file, std::string_view bytes, AddedBlob& blob);
  static std::vector<Segment> segments_of(const CutFile& file);
  static std::vector<BlobClaim> pieces_of(const CutFile& file);

  PackRun& m_run;
  std::deque<CutFile> m_files;        // jobs hold on to them
  std::atomic<int> m_chunks_held = 0; // cut off, in memory, and not yet in the store
};

} // namespace mrun
