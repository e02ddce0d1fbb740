// Where a large file is cut, rule "t1" (docs/formats/bundle.md): the same on any machine, and such that two
// versions of a model share what did not change.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "packager/cut/content_chunks.h"
#include "packager/weights/weight_layout.h"

namespace mrun {

inline constexpr std::string_view k_cut_rule = "t1";
// The same cuts; more files share blobs, for models whose manifest would be too large by t1 (file_groups.h).
inline constexpr std::string_view k_widened_rule = "t2";
inline constexpr std::uint64_t k_whole_file_bytes = 64ULL << 20; // files up to here stay whole

// The sizes of rule t1, doubled `scale_bits` times for models that would have too many pieces.
struct CutSizes {
  explicit CutSizes(int scale_bits);
  int scale;
  std::uint64_t piece_bytes; // a tensor is split at multiples of this from its own start
  std::uint64_t own_bytes; // a tensor of this size has pieces of its own; smaller ones share one, up to here
  std::uint64_t group_bytes; // from here on, a group may end
  ChunkSizes content;        // files without tensors
  ChunkSizes header;         // long stretches between tensors
};

struct CutPiece {
  std::uint64_t offset = 0; // in the file
  std::uint64_t length = 0;
  bool glue = false; // a short stretch between tensors: all of a file's are one blob
};

// The pieces of a file in order, covering it. `layout`: nullopt for a file without tensors. Some are
// stretches that content_cuts() tells to cut further.
std::vector<CutPiece> cut_file(std::uint64_t file_bytes, const std::optional<WeightLayout>& layout,
                               const CutSizes& sizes);
// For a stretch between tensors that is too long for glue (a tokenizer in a GGUF header, a file without
// tensors): how to cut it by its content.
std::optional<ChunkSizes> content_cuts(const CutPiece& piece, const CutSizes& sizes);
// No more blobs than this come of the pieces, whatever the content.
std::size_t most_pieces(const std::vector<CutPiece>& pieces, const CutSizes& sizes);

} // namespace mrun
