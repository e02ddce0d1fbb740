#include "packager/pack_run.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun {
namespace {

// Threads beyond one a core: while these wait for the disk, the others hash.
constexpr std::size_t k_waiting_threads = 2;

unsigned mode_of(const struct stat& status) {
  return (status.st_mode & 0100) != 0 ? 0755U : 0644U;
}

} // namespace

PackMeter::PackMeter(const PackWatcher& watcher, const std::vector<SelectedFile>& files)
    : m_watcher(watcher) {
  for (const SelectedFile& file : files)
    m_total += file.size;
}

Store::Writer::Progress PackMeter::of(const SafePath& path) {
  if (!m_watcher) return [](std::uint64_t) {};
  return [this, &path, counted = std::uint64_t{0}](std::uint64_t done) mutable {
    const std::scoped_lock lock(m_mutex);
    m_done += done - counted;
    counted = done;
    m_watcher({path.text(), m_done, m_total});
  };
}

PackRun::PackRun(Store::Writer& writer, int folder_fd, const std::vector<SelectedFile>& selected,
                 PackCache& cache, const PackWatcher& watcher)
    : m_writer(writer),
      m_folder(folder_fd),
      m_selected(selected),
      m_cache(cache),
      m_meter(watcher, selected),
      m_pool(k_waiting_threads) {
  for (const SelectedFile& file : selected)
    m_files.push_back({file.path, 0644, 0, {}}); // filled by the jobs
}

Result<PackRun::OpenFile> PackRun::open(std::size_t file) const {
  OpenFile out;
  MRUN_ASSIGN(out.fd, open_selected(m_folder, selected(file)));
  MRUN_CHECK(::fstat(out.fd.get(), &out.status) == 0);
  return out;
}

Result<UniqueFd> PackRun::open_again(std::size_t file, const struct stat& before) const {
  MRUN_ASSIGN(UniqueFd fd, open_selected(m_folder, selected(file)));
  if (!same_content(before, fd.get())) return changed(file);
  return fd;
}

tl::unexpected<Error> PackRun::changed(std::size_t file) const {
  return fail(ErrorCode::pack_file_changed,
              fmt::format("{} changed while it was packed", printable(selected(file).path.text())));
}

tl::unexpected<Error> PackRun::while_adding(std::size_t file, Error error) const {
  if (error.code == ErrorCode::pack_file_changed) return changed(file);
  return tl::unexpected<Error>(
      std::move(error).with_note(fmt::format("while adding {}", printable(selected(file).path.text()))));
}

std::optional<PackNote> PackRun::find_note(std::size_t file, const struct stat& status, int scale) {
  std::optional<PackNote> note = m_cache.find(selected(file).path.text(), status, scale);
  const auto untouched = [this](const BlobClaim& claim) {
    return m_writer.has_untouched(claim, m_cache.written_ns());
  };
  if (!note || !std::ranges::all_of(note->pieces, untouched)) return std::nullopt;
  return note;
}

BundleFile& PackRun::keep(std::size_t file, const struct stat& status, int scale, PackNote note) {
  const SafePath& path = selected(file).path;
  m_files[file] = {path, mode_of(status), static_cast<std::uint64_t>(status.st_size), note.segments};
  m_cache.note(path.text(), status, scale, std::move(note));
  return m_files[file];
}

void PackRun::count(const AddedBlob& added) {
  if (!added.is_new) return;
  const std::scoped_lock lock(m_mutex);
  m_new_bytes += added.size;
}

} // namespace mrun
