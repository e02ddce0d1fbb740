#include "packager/cut/cut_plan.h"

#include <algorithm>

#include "common/limits.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

// GGUF pads each tensor to its alignment; the padding goes with the tensor before it.
constexpr std::uint64_t k_max_padding_bytes = 65'536;

// One in four names ends a group.
bool name_ends_group(const TensorPlace& tensor) {
  std::string text = tensor.name + '\n' + tensor.dtype;
  for (const std::uint64_t extent : tensor.shape)
    text += '\n' + std::to_string(extent);
  return (static_cast<unsigned>(Sha256::of(text).bytes()[0]) & 3U) == 0;
}

class TensorCutter {
 public:
  TensorCutter(std::uint64_t file_bytes, const CutSizes& sizes) : m_file_bytes(file_bytes), m_sizes(sizes) {}

  void add(const TensorPlace& tensor, std::uint64_t end) {
    const std::uint64_t size = end - tensor.offset;
    if (size >= m_sizes.own_bytes) {
      close_group();
      glue_until(tensor.offset);
      split(tensor.offset, end);
      return;
    }
    if (m_in_group && end - m_group_begin > m_sizes.own_bytes) close_group();
    if (!m_in_group) {
      glue_until(tensor.offset);
      m_in_group = true;
      m_group_begin = tensor.offset;
    }
    m_group_end = end;
    if (m_group_end - m_group_begin >= m_sizes.group_bytes && name_ends_group(tensor)) close_group();
  }

  std::vector<CutPiece> finish() {
    close_group();
    glue_until(m_file_bytes);
    return std::move(m_pieces);
  }

 private:
  void glue_until(std::uint64_t offset) {
    if (offset > m_at) m_pieces.push_back({m_at, offset - m_at, true});
    m_at = offset;
  }
  void split(std::uint64_t begin, std::uint64_t end) {
    for (m_at = begin; m_at < end;) {
      const std::uint64_t length = std::min(m_sizes.piece_bytes, end - m_at);
      m_pieces.push_back({m_at, length, false});
      m_at += length;
    }
  }
  void close_group() {
    if (!m_in_group) return;
    m_pieces.push_back({m_group_begin, m_group_end - m_group_begin, false});
    m_at = m_group_end;
    m_in_group = false;
  }

  std::uint64_t m_file_bytes;
  const CutSizes& m_sizes;
  std::vector<CutPiece> m_pieces;
  std::uint64_t m_at = 0; // covered up to here, but for the open group
  bool m_in_group = false;
  std::uint64_t m_group_begin = 0, m_group_end = 0;
};

} // namespace

CutSizes::CutSizes(int scale_bits)
    : scale(scale_bits),
      piece_bytes((64ULL * k_mib) << scale),
      own_bytes(k_mib << scale),
      group_bytes((256 * k_kib) << scale),
      content{(2 * k_mib) << scale, (16 * k_mib) << scale, 22 + scale},
      header{64 * k_kib, k_mib, 18} {}

std::vector<CutPiece> cut_file(std::uint64_t file_bytes, const std::optional<WeightLayout>& layout,
                               const CutSizes& sizes) {
  if (!layout) return {{0, file_bytes, true}};
  TensorCutter cutter(file_bytes, sizes);
  for (std::size_t i = 0; i < layout->tensors.size(); ++i) {
    const TensorPlace& tensor = layout->tensors[i];
    if (tensor.size_bytes == 0) continue;
    const std::uint64_t next = i + 1 < layout->tensors.size() ? layout->tensors[i + 1].offset : file_bytes;
    const std::uint64_t end = tensor.offset + tensor.size_bytes;
    const bool padded = layout->format == WeightFormat::gguf && next - end < k_max_padding_bytes;
    cutter.add(tensor, padded ? next : end);
  }
  return cutter.finish();
}

std::optional<ChunkSizes> content_cuts(const CutPiece& piece, const CutSizes& sizes) {
  if (!piece.glue || piece.length <= sizes.header.most_bytes) return std::nullopt;
  return piece.length <= k_whole_file_bytes ? sizes.header : sizes.content;
}

std::size_t most_pieces(const std::vector<CutPiece>& pieces, const CutSizes& sizes) {
  std::uint64_t count = 0;
  for (const CutPiece& piece : pieces) {
    const auto chunks = content_cuts(piece, sizes);
    count += chunks ? piece.length / chunks->least_bytes + 1 : piece.glue ? 0 : 1;
  }
  return static_cast<std::size_t>(count + 1); // the glue
}

} // namespace mrun
