#include "packager/file_packer.h"

#include <algorithm>
#include <deque>
#include <mutex>
#include <set>

#include <fmt/format.h>
#include <sys/stat.h>

#include "common/fd.h"
#include "common/text.h"
#include "packager/cut/cut_plan.h"
#include "packager/cut/file_groups.h"
#include "packager/job_pool.h"

namespace mrun {
namespace {

constexpr std::size_t k_manifest_goal_bytes = 3 * k_mib; // registries refuse manifests above 4 MiB
constexpr std::size_t k_piece_layer_bytes = 160;         // of a piece in the manifest, generously
constexpr std::size_t k_file_layer_bytes = 400;          // of a whole file with a name of some length
constexpr int k_group_scale = -1;                        // in the notes: the file lies in a group
constexpr std::size_t k_least_pieces = 1000;
constexpr int k_most_scale = 20;

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

struct CutFile {
  const SelectedFile* selected = nullptr;
  UniqueFd fd;
  struct stat before {};
  std::optional<WeightLayout> layout;
  bool likely_known = false;
  std::vector<CutPiece> plan;
  std::optional<PackNote> noted; // it has not changed since the last pack
  std::deque<Stretch> stretches;
  struct Glue {
    std::vector<FileRange> ranges;
    AddedBlob blob;
  };
  std::deque<Glue> glues; // each up to a whole file's size

  std::uint64_t size() const { return static_cast<std::uint64_t>(before.st_size); }
};

unsigned mode_of(const struct stat& status) {
  return (status.st_mode & 0100) != 0 ? 0755U : 0644U;
}

// Counts bytes for whoever watches.
class Meter {
 public:
  Meter(const PackWatcher& watcher, std::uint64_t total) : m_watcher(watcher), m_total(total) {}

  // A progress function for one blob of `path`: what is read a second time counts once.
  Store::Writer::Progress of(const SafePath& path) {
    if (!m_watcher) return [](std::uint64_t) {};
    return [this, &path, counted = std::uint64_t{0}](std::uint64_t done) mutable {
      if (done <= counted) return;
      const std::scoped_lock lock(m_mutex);
      m_done += done - counted;
      counted = done;
      m_watcher({path.text(), m_done, m_total});
    };
  }

 private:
  const PackWatcher& m_watcher;
  const std::uint64_t m_total;
  std::mutex m_mutex;
  std::uint64_t m_done = 0;
};

class FilePacker {
 public:
  FilePacker(Store::Writer& writer, int folder_fd, const std::vector<SelectedFile>& selected,
             const Bundle& last, PackCache& cache, const PackWatcher& watcher)
      : m_writer(writer),
        m_folder(folder_fd),
        m_selected(selected),
        m_last(last),
        m_cache(cache),
        m_meter(watcher, total_of(selected)) {}

  Result<PackedFiles> run() {
    for (const SelectedFile& file : m_selected)
      m_files.push_back({file.path, 0644, 0, {}}); // filled by the jobs
    m_groups = group_small_files(m_selected);
    std::vector<bool> is_grouped(m_selected.size());
    m_group_blobs.resize(m_groups.size());
    for (std::size_t i = 0; i < m_groups.size(); ++i) {
      for (const std::size_t file : m_groups[i].files)
        is_grouped[file] = true;
      m_pool.add([this, i] { return add_group(m_groups[i], m_group_blobs[i]); });
    }
    for (std::size_t i = 0; i < m_selected.size(); ++i) {
      if (m_selected[i].size > k_whole_file_bytes)
        MRUN_TRY(open_cut_file(i));
      else if (!is_grouped[i])
        m_pool.add([this, i] { return add_whole(i); });
    }
    m_whole =
        m_selected.size() - m_cut.size() - static_cast<std::size_t>(std::ranges::count(is_grouped, true));
    const CutSizes sizes = plan_cuts();
    for (CutFile& file : m_cut) {
      file.noted = find_note(file.selected->path, file.before, sizes.scale);
      if (!file.noted) add_jobs(file, sizes);
    }
    MRUN_TRY(m_pool.run());
    for (CutFile& file : m_cut)
      MRUN_TRY(finish_cut(file, sizes.scale));
    return take_result();
  }

 private:
  static std::uint64_t total_of(const std::vector<SelectedFile>& selected) {
    std::uint64_t total = 0;
    for (const SelectedFile& file : selected)
      total += file.size;
    return total;
  }

  // ---- whole files ---------------------------------------------------------------------------------------
  std::optional<Digest> last_digest(const SelectedFile& file) const {
    const BundleFile* old = m_last.find(file.path.text());
    if (old == nullptr || old->size != file.size || !is_whole(*old)) return std::nullopt;
    return old->segments[0].blob;
  }

  Result<void> add_whole(std::size_t index) {
    const SelectedFile& file = m_selected[index];
    MRUN_ASSIGN(const UniqueFd fd, open_selected(m_folder, file));
    struct stat status {};
    MRUN_CHECK(::fstat(fd.get(), &status) == 0);
    if (auto noted = find_note(file.path, status, 0)) {
      keep_file(index, status, 0, std::move(*noted));
      return {};
    }
    MRUN_ASSIGN(const AddedBlob added,
                m_writer.add_file(fd.get(), file.path.text(), last_digest(file), m_meter.of(file.path)));
    keep_file(index, status, 0, {{{added.digest, 0, added.size}}, {{added.digest, added.size}}});
    count(added);
    return {};
  }

  // ---- small files of very many --------------------------------------------------------------------------
  struct GroupedFile {
    UniqueFd fd;
    struct stat before {};
  };

  Result<void> add_group(const FileGroup& group, BlobClaim& blob) {
    std::vector<GroupedFile> files;
    for (const std::size_t i : group.files) {
      GroupedFile& file = files.emplace_back();
      MRUN_ASSIGN(file.fd, open_selected(m_folder, m_selected[i]));
      MRUN_CHECK(::fstat(file.fd.get(), &file.before) == 0);
      if (static_cast<std::uint64_t>(file.before.st_size) != m_selected[i].size)
        return changed(m_selected[i]);
    }
    if (const auto noted = find_group(group, files)) {
      blob = *noted;
      keep_group(group, files, blob);
      return {};
    }
    std::string bytes;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const SelectedFile& selected = m_selected[group.files[i]];
      MRUN_ASSIGN(const std::string part, read_part(files[i].fd.get(), 0, selected.size, selected.path.text(),
                                                    ErrorCode::pack_file_changed));
      if (!same_content(files[i].before, files[i].fd.get())) return changed(selected);
      bytes += part;
      m_meter.of(selected.path)(selected.size);
    }
    MRUN_ASSIGN(const AddedBlob added, m_writer.add_bytes(bytes));
    blob = {added.digest, added.size};
    keep_group(group, files, blob);
    count(added);
    return {};
  }

  // A file without a byte has no segment, wherever its group is.
  static std::vector<Segment> segments_in(const Digest& blob, std::uint64_t at, std::uint64_t size) {
    return size == 0 ? std::vector<Segment>() : std::vector<Segment>{{blob, at, size}};
  }

  // The blob of the last pack, when it held these very files in this order.
  std::optional<BlobClaim> find_group(const FileGroup& group, const std::vector<GroupedFile>& files) {
    std::optional<BlobClaim> blob;
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const SelectedFile& selected = m_selected[group.files[i]];
      const auto note = find_note(selected.path, files[i].before, k_group_scale);
      if (!note || note->pieces.size() != 1 || note->pieces[0].size != group.size_bytes) return std::nullopt;
      if (!blob) blob = note->pieces[0];
      if (note->segments != segments_in(blob->digest, at, selected.size)) return std::nullopt;
      at += selected.size;
    }
    return blob;
  }

  void keep_group(const FileGroup& group, const std::vector<GroupedFile>& files, const BlobClaim& blob) {
    std::uint64_t at = 0;
    for (std::size_t i = 0; i < files.size(); ++i) {
      const std::uint64_t size = m_selected[group.files[i]].size;
      keep_file(group.files[i], files[i].before, k_group_scale, {segments_in(blob.digest, at, size), {blob}});
      m_files[group.files[i]].is_grouped = true;
      at += size;
    }
  }

  // What the last pack found in the file, while the store still has it as it was.
  std::optional<PackNote> find_note(const SafePath& path, const struct stat& status, int scale) {
    std::optional<PackNote> note = m_cache.find(path.text(), status, scale);
    const auto untouched = [this](const BlobClaim& claim) {
      return m_writer.has_untouched(claim, m_cache.written_ns());
    };
    if (!note || !std::all_of(note->pieces.begin(), note->pieces.end(), untouched)) return std::nullopt;
    m_meter.of(path)(static_cast<std::uint64_t>(status.st_size));
    return note;
  }

  void keep_file(std::size_t index, const struct stat& status, int scale, PackNote note) {
    const SafePath& path = m_selected[index].path;
    m_files[index] = {path, mode_of(status), static_cast<std::uint64_t>(status.st_size), note.segments};
    m_cache.note(path.text(), status, scale, std::move(note));
  }

  // ---- cut files -----------------------------------------------------------------------------------------
  tl::unexpected<Error> changed(const SelectedFile& file) const {
    return fail(ErrorCode::pack_file_changed,
                fmt::format("{} changed while it was packed", printable(file.path.text())));
  }

  Result<void> open_cut_file(std::size_t index) {
    CutFile& file = m_cut.emplace_back();
    file.selected = &m_selected[index];
    MRUN_ASSIGN(file.fd, open_selected(m_folder, *file.selected));
    MRUN_CHECK(::fstat(file.fd.get(), &file.before) == 0);
    if (file.size() <= k_whole_file_bytes) return changed(*file.selected);
    file.likely_known = m_last.find(file.selected->path.text()) != nullptr;
    const int fd = file.fd.get();
    Result<std::optional<WeightLayout>> layout =
        read_weight_layout(file.size(), [fd](std::uint64_t offset, std::uint64_t length) {
          return read_part(fd, offset, length, "a file", ErrorCode::pack_file_changed);
        });
    if (!layout) return named(file, std::move(layout).error());
    file.layout = std::move(*layout);
    return {};
  }

  // Plans all files with the smallest sizes with which the pieces fit into a manifest that registries take.
  CutSizes plan_cuts() {
    const std::size_t others = m_whole * k_file_layer_bytes + m_groups.size() * k_piece_layer_bytes;
    const std::size_t budget = k_manifest_goal_bytes - std::min(k_manifest_goal_bytes, others);
    const std::size_t allowed = std::max(k_least_pieces, budget / k_piece_layer_bytes);
    for (int scale = 0;; ++scale) {
      const CutSizes sizes(scale);
      std::size_t pieces = 0;
      for (CutFile& file : m_cut) {
        file.plan = cut_file(file.size(), file.layout, sizes);
        pieces += most_pieces(file.plan, sizes);
      }
      if (pieces <= allowed || scale == k_most_scale) return sizes;
    }
  }

  void add_jobs(CutFile& file, const CutSizes& sizes) {
    std::uint64_t glue_bytes = 0;
    for (const CutPiece& piece : file.plan) {
      Stretch& stretch = file.stretches.emplace_back(Stretch{piece, {}});
      const FileRange range{piece.offset, piece.length};
      if (const auto chunks = content_cuts(piece, sizes)) {
        stretch.plan.glue = false;
        m_pool.add([this, &file, &stretch, chunks] { return scan(file, stretch, *chunks); });
      } else if (piece.glue) {
        if (file.glues.empty() || glue_bytes + piece.length > k_whole_file_bytes) {
          file.glues.emplace_back();
          glue_bytes = 0;
        }
        file.glues.back().ranges.push_back(range);
        glue_bytes += piece.length;
      } else {
        add_piece(file, stretch, range, false);
      }
    }
    for (CutFile::Glue& glue : file.glues)
      m_pool.add([this, &file, &glue] { return add_ranges(file, glue.ranges, glue.blob); });
  }

  // `now`: the bytes were just read, so this goes before what waits.
  void add_piece(CutFile& file, Stretch& stretch, FileRange range, bool now) {
    Piece& piece = stretch.pieces.emplace_back(Piece{range, {}});
    auto job = [this, &file, &piece] { return add_ranges(file, {&piece.range, 1}, piece.blob); };
    now ? m_pool.add_next(std::move(job)) : m_pool.add(std::move(job));
  }

  Result<void> add_ranges(const CutFile& file, std::span<const FileRange> ranges, AddedBlob& blob) {
    Result<AddedBlob> added =
        m_writer.add_ranges(file.fd.get(), ranges, file.likely_known, m_meter.of(file.selected->path));
    if (!added) return named(file, std::move(added).error());
    blob = *added;
    count(blob);
    return {};
  }

  // Finds where the content cuts a stretch; others hash what lies behind.
  Result<void> scan(CutFile& file, Stretch& stretch, ChunkSizes sizes) {
    ContentCutter cutter(sizes);
    std::uint64_t begin = stretch.plan.offset, at = begin;
    const auto cut = [&](std::string_view bytes) -> Result<void> {
      while (!bytes.empty()) {
        bool ends = false;
        const std::size_t taken = cutter.take(bytes, ends);
        bytes.remove_prefix(taken);
        at += taken;
        if (!ends) continue;
        add_piece(file, stretch, {begin, at - begin}, true);
        begin = at;
      }
      return {};
    };
    auto read = read_range(file.fd.get(), stretch.plan.offset, stretch.plan.length, "a file",
                           ErrorCode::pack_file_changed, cut);
    if (!read) return named(file, std::move(read).error());
    if (begin < at) add_piece(file, stretch, {begin, at - begin}, true);
    return {};
  }

  tl::unexpected<Error> named(const CutFile& file, Error error) const {
    if (error.code == ErrorCode::pack_file_changed) return changed(*file.selected);
    return tl::unexpected<Error>(
        std::move(error).with_note(fmt::format("while adding {}", printable(file.selected->path.text()))));
  }

  Result<void> finish_cut(const CutFile& file, int scale) {
    PackNote note;
    if (file.noted) {
      note = *file.noted;
    } else {
      if (!same_content(file.before, file.fd.get())) return changed(*file.selected);
      note = {segments_of(file), pieces_of(file)};
    }
    const auto index = static_cast<std::size_t>(file.selected - m_selected.data());
    const std::vector<BlobClaim> pieces = note.pieces;
    keep_file(index, file.before, scale, std::move(note));
    if (is_whole(m_files[index])) return {};
    for (const BlobClaim& piece : pieces)
      if (m_listed.insert(piece.digest).second) m_pieces.push_back(piece);
    return {};
  }

  // In the file's order, glue between the pieces.
  static std::vector<Segment> segments_of(const CutFile& file) {
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

  static std::vector<BlobClaim> pieces_of(const CutFile& file) {
    std::vector<BlobClaim> pieces;
    std::set<Digest> seen;
    const auto list = [&](const AddedBlob& blob) {
      if (seen.insert(blob.digest).second) pieces.push_back({blob.digest, blob.size});
    };
    for (const CutFile::Glue& glue : file.glues)
      list(glue.blob);
    for (const Stretch& stretch : file.stretches)
      for (const Piece& piece : stretch.pieces)
        list(piece.blob);
    return pieces;
  }

  PackedFiles take_result() {
    PackedFiles out;
    for (const BundleFile& file : m_files)
      out.size_bytes += file.size;
    out.new_bytes = m_new_bytes;
    // A file that is all of its group is a whole one.
    std::set<Digest> shared;
    for (const BundleFile& file : m_files)
      if (!is_whole(file))
        for (const Segment& segment : file.segments)
          shared.insert(segment.blob);
    for (const BlobClaim& blob : m_group_blobs)
      if (shared.contains(blob.digest) && m_listed.insert(blob.digest).second) m_pieces.push_back(blob);
    out.parts.files = std::move(m_files);
    out.parts.pieces = std::move(m_pieces);
    return out;
  }

  void count(const AddedBlob& added) {
    if (!added.is_new) return;
    const std::scoped_lock lock(m_mutex);
    m_new_bytes += added.size;
  }

  Store::Writer& m_writer;
  int m_folder;
  const std::vector<SelectedFile>& m_selected;
  const Bundle& m_last;
  PackCache& m_cache;
  Meter m_meter;
  JobPool m_pool;
  std::vector<BundleFile> m_files; // an entry a selected file
  std::vector<FileGroup> m_groups;
  std::vector<BlobClaim> m_group_blobs; // of each group
  std::size_t m_whole = 0;              // files that are blobs of their own
  std::deque<CutFile> m_cut;
  std::vector<BlobClaim> m_pieces;
  std::set<Digest> m_listed; // in m_pieces
  std::mutex m_mutex;
  std::uint64_t m_new_bytes = 0; // under m_mutex
};

} // namespace

Result<PackedFiles> pack_files(Store::Writer& writer, int folder_fd,
                               const std::vector<SelectedFile>& selected, const Bundle& last,
                               PackCache& cache, const PackWatcher& watcher) {
  return FilePacker(writer, folder_fd, selected, last, cache, watcher).run();
}

} // namespace mrun
