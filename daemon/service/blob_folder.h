// state/outputs: output files by their digest. state/files: uploads by id. Blocking; for the background
// thread.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/error.h"
#include "common/fd.h"
#include "common/fs.h"

namespace mrun {

class BlobFolder {
 public:
  // Makes the folder at mode 0700 where it is absent.
  static Result<BlobFolder> open(const std::filesystem::path& folder,
                                 FileSystem& file_system = real_file_system());

  // Writes the bytes under their digest: temporary file, fsync when `durable`, rename. The same content twice
  // is stored once, and synced by the first call that asks for it. Errors: disk_full, io; nothing is left
  // behind.
  Result<Digest> put(std::string_view bytes, bool durable);
  Result<UniqueFd> get(const std::string& name) const; // file_not_found
  // An unnamed file; it vanishes with its descriptor unless it is published.
  Result<UniqueFd> begin() const;
  // Gives the file of begin() a name. fsyncs it.
  Result<void> publish(int fd, const std::string& name);
  Result<void> remove(const std::string& name); // absent is no error
  // Removes temporary files of an earlier process.
  Result<void> clean();
  // Removes what `known` does not name: files whose row was never written, or whose row is gone.
  Result<void> keep_only(const std::set<std::string>& known);

 private:
  Result<void> sync_existing(const std::string& name);

  std::filesystem::path m_path;
  UniqueFd m_folder;
  FileSystem* m_file_system = nullptr;
};

} // namespace mrun
