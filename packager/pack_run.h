// One pack: what the packers of whole, grouped and cut files share. Internal to the packager.
#pragma once

#include <mutex>
#include <optional>
#include <vector>

#include <sys/stat.h>

#include "common/fd.h"
#include "packager/file_packer.h"
#include "packager/job_pool.h"

namespace mrun {

// Counts bytes for whoever watches. Any thread.
class PackMeter {
 public:
  PackMeter(const PackWatcher& watcher, const std::vector<SelectedFile>& files);
  // A progress function for one blob of `path`.
  Store::Writer::Progress of(const SafePath& path);

 private:
  const PackWatcher& m_watcher;
  std::uint64_t m_total = 0;
  std::mutex m_mutex;
  std::uint64_t m_done = 0; // under m_mutex
};

// Files are named by their place among the selected ones. Jobs run on several threads; each fills the entry
// of its own file.
class PackRun {
 public:
  PackRun(Store::Writer& writer, int folder_fd, const std::vector<SelectedFile>& selected, PackCache& cache,
          const PackWatcher& watcher);

  const std::vector<SelectedFile>& all() const { return m_selected; }
  const SelectedFile& selected(std::size_t file) const { return m_selected[file]; }
  Store::Writer& writer() { return m_writer; }
  JobPool& pool() { return m_pool; }
  Store::Writer::Progress progress(std::size_t file) { return m_meter.of(selected(file).path); }

  // Descriptors are held only while they are read: there may be more files than descriptors.
  struct OpenFile {
    UniqueFd fd;
    struct stat status {};
  };
  Result<OpenFile> open(std::size_t file) const;
  // Error pack_file_changed when it is not the same file with the same content.
  Result<UniqueFd> open_again(std::size_t file, const struct stat& before) const;
  tl::unexpected<Error> changed(std::size_t file) const;
  // The error as the user shall read it: which file it was.
  tl::unexpected<Error> while_adding(std::size_t file, Error error) const;

  // What the last pack found in the file, while the store still has it as it was.
  std::optional<PackNote> find_note(std::size_t file, const struct stat& status, int scale);
  // The file's entry in the bundle, and the note for the next pack.
  BundleFile& keep(std::size_t file, const struct stat& status, int scale, PackNote note);
  void count(const AddedBlob& added);

  std::vector<BundleFile> take_files() { return std::move(m_files); }
  std::uint64_t new_bytes() const { return m_new_bytes; } // when no job runs

 private:
  Store::Writer& m_writer;
  int m_folder;
  const std::vector<SelectedFile>& m_selected;
  PackCache& m_cache;
  PackMeter m_meter;
  JobPool m_pool;
  std::vector<BundleFile> m_files; // an entry a selected file
  std::mutex m_mutex;
  std::uint64_t m_new_bytes = 0; // under m_mutex
};

} // namespace mrun
