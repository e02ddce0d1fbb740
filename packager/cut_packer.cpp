#include "packager/cut_packer.h"

#include <algorithm>
#include <set>

#include "common/limits.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_scan_bytes = 256 * k_kib; // read, then looked at, while the core's cache has it

std::uint64_t size_of(const struct stat& status) {
  return static_cast<std::uint64_t>(status.st_size);
}

} // namespace

Result<void> CutPacker::open(std::size_t index) {
  CutFile& file = m_files.emplace_back();
  file.index = index;
  MRUN_ASSIGN(const PackRun::OpenFile opened, m_run.open(index));
  file.before = opened.status;
  if (size_of(file.before) != m_run.selected(index).size) return m_run.changed(index);
  const int fd = opened.fd.get();
  Result<std::optional<WeightLayout>> layout =
      read_weight_layout(size_of(file.before), [fd](std::uint64_t offset, std::uint64_t length) {
        return read_part(fd, offset, length, "a file", ErrorCode::pack_file_changed);
      });
  if (!layout) return m_run.while_adding(index, std::move(layout).error());
  file.layout = std::move(*layout);
  return {};
}

std::size_t CutPacker::plan(const std::vector<bool>& is_cut, const CutSizes& sizes) {
  std::size_t pieces = 0;
  for (CutFile& file : m_files) {
    file.plan.clear();
    if (!is_cut[file.index]) continue;
    file.plan = cut_file(size_of(file.before), file.layout, sizes);
    pieces += most_pieces(file.plan, sizes);
  }
  return pieces;
}

void CutPacker::add_jobs(const CutSizes& sizes) {
  std::erase_if(m_files, [](const CutFile& file) { return file.plan.empty(); });
  for (CutFile& file : m_files) {
    file.noted = m_run.find_note(file.index, file.before, sizes.scale);
    if (file.noted)
      m_run.progress(file.index)(size_of(file.before));
    else
      add_file_jobs(file, sizes);
  }
}

void CutPacker::add_file_jobs(CutFile& file, const CutSizes& sizes) {
  std::uint64_t glue_bytes = 0;
  for (const CutPiece& piece : file.plan) {
    Stretch& stretch = file.stretches.emplace_back(Stretch{piece, {}});
    const FileRange range{piece.offset, piece.length};
    if (const auto chunks = content_cuts(piece, sizes)) {
      stretch.plan.glue = false;
      m_run.pool().add([this, &file, &stretch, chunks] { return scan(file, stretch, *chunks); });
    } else if (piece.glue) {
      if (file.glues.empty() || glue_bytes + piece.length > k_whole_file_bytes) {
        file.glues.emplace_back();
        glue_bytes = 0;
      }
      file.glues.back().ranges.push_back(range);
      glue_bytes += piece.length;
    } else {
      Piece& whole = stretch.pieces.emplace_back(Piece{range, {}});
      m_run.pool().add([this, &file, &whole] { return add_ranges(file, {&whole.range, 1}, whole.blob); });
    }
  }
  for (Glue& glue : file.glues)
    m_run.pool().add([this, &file, &glue] { return add_ranges(file, glue.ranges, glue.blob); });
}

Result<void> CutPacker::add_ranges(const CutFile& file, std::span<const FileRange> ranges, AddedBlob& blob) {
  MRUN_ASSIGN(const UniqueFd fd, m_run.open_again(file.index, file.before));
  Result<AddedBlob> added = m_run.writer().add_ranges(fd.get(), ranges, m_run.progress(file.index));
  if (!added) return m_run.while_adding(file.index, std::move(added).error());
  blob = *added;
  m_run.count(blob);
  return {};
}

// Finds where the content cuts a stretch. What it has read goes from hand to hand: nobody reads it again.
Result<void> CutPacker::scan(const CutFile& file, Stretch& stretch, ChunkSizes sizes) {
  MRUN_ASSIGN(const UniqueFd fd, m_run.open_again(file.index, file.before));
  ContentCutter cutter(sizes);
  const auto capacity = static_cast<std::size_t>(sizes.most_bytes + k_scan_bytes);
  const std::uint64_t end = stretch.plan.offset + stretch.plan.length;
  std::uint64_t begin = stretch.plan.offset; // of the present chunk
  std::shared_ptr<PieceBuffer> chunk = m_run.writer().borrow_buffer(capacity);
  for (std::uint64_t at = begin; at < end;) {
    const auto wanted = static_cast<std::size_t>(std::min(k_scan_bytes, end - at));
    Result<std::string_view> read = chunk->read(fd.get(), at, wanted);
    if (!read) return m_run.while_adding(file.index, std::move(read).error());
    std::string_view fresh = *read;
    at += fresh.size();
    while (!fresh.empty()) {
      bool ends = false;
      fresh.remove_prefix(cutter.take(fresh, ends));
      if (!ends) continue;
      std::shared_ptr<PieceBuffer> next = m_run.writer().borrow_buffer(capacity);
      next->append(fresh);
      chunk->drop_end(fresh.size());
      fresh = next->text();
      MRUN_TRY(hand_over(file, stretch, begin, std::exchange(chunk, std::move(next))));
      begin = at - fresh.size();
    }
  }
  if (!chunk->text().empty()) return hand_over(file, stretch, begin, std::move(chunk));
  return {};
}

// To a job that goes before what waits; when enough of them wait, it is done here, so that no more is held in
// memory.
Result<void> CutPacker::hand_over(const CutFile& file, Stretch& stretch, std::uint64_t begin,
                                  std::shared_ptr<PieceBuffer> chunk) {
  Piece& piece = stretch.pieces.emplace_back(Piece{{begin, chunk->text().size()}, {}});
  if (m_chunks_held >= static_cast<int>(2 * m_run.pool().threads()))
    return add_chunk(file, chunk->text(), piece.blob);
  ++m_chunks_held;
  m_run.pool().add_next([this, &file, &piece, chunk = std::move(chunk)] {
    Result<void> added = add_chunk(file, chunk->text(), piece.blob);
    --m_chunks_held;
    return added;
  });
  return {};
}

Result<void> CutPacker::add_chunk(const CutFile& file, std::string_view bytes, AddedBlob& blob) {
  Result<AddedBlob> added = m_run.writer().add_bytes(bytes);
  if (!added) return m_run.while_adding(file.index, std::move(added).error());
  blob = *added;
  m_run.count(blob);
  m_run.progress(file.index)(bytes.size());
  return {};
}

Result<std::vector<BlobClaim>> CutPacker::finish(const CutSizes& sizes) {
  std::vector<BlobClaim> out;
  for (const CutFile& file : m_files) {
    PackNote note;
    if (file.noted) {
      note = *file.noted;
    } else {
      MRUN_ASSIGN(const UniqueFd fd, m_run.open_again(file.index, file.before));
      note = {segments_of(file), pieces_of(file)};
    }
    const std::vector<BlobClaim> pieces = note.pieces;
    if (!is_whole(m_run.keep(file.index, file.before, sizes.scale, std::move(note))))
      out.insert(out.end(), pieces.begin(), pieces.end());
  }
  return out;
}

// In the file's order, glue between the pieces.
std::vector<Segment> CutPacker::segments_of(const CutFile& file) {
  std::vector<Segment> segments;
  std::size_t glue = 0, part = 0;
  std::uint64_t glue_at = 0;
  for (const Stretch& stretch : file.stretches) {
    for (const Piece& piece : stretch.pieces)
      segments.push_back({piece.blob.digest, 0, piece.range.length});
    if (!stretch.plan.glue) continue;
    if (part == file.glues[glue].ranges.size()) {
      ++glue;
      part = 0;
      glue_at = 0;
    }
    segments.push_back({file.glues[glue].blob.digest, glue_at, stretch.plan.length});
    glue_at += stretch.plan.length;
    ++part;
  }
  return segments;
}

std::vector<BlobClaim> CutPacker::pieces_of(const CutFile& file) {
  std::vector<BlobClaim> pieces;
  std::set<Digest> seen;
  const auto list = [&](const AddedBlob& blob) {
    if (seen.insert(blob.digest).second) pieces.push_back({blob.digest, blob.size});
  };
  for (const Glue& glue : file.glues)
    list(glue.blob);
  for (const Stretch& stretch : file.stretches)
    for (const Piece& piece : stretch.pieces)
      list(piece.blob);
  return pieces;
}

} // namespace mrun
