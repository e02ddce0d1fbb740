// The one reader of archives that strangers made: tar, plain or behind gzip or zstd, nothing else.
//
// It gives names and bytes and never writes a file. Names are SafePaths; folders are passed over; everything
// that is neither a file nor a folder (links, devices, sparse files) is refused with its name. Sizes are
// checked before content, and what comes out is bounded by what went in: a small archive can't become a large
// disk. Constant memory at any size. One thread at a time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "common/error.h"
#include "common/limits.h"
#include "common/safe_path.h"

namespace mrun {

enum class ArchiveCompression { none, gzip, zstd };

struct ArchiveLimits {
  std::uint64_t max_bytes = 1ULL << 53; // of all files together
  std::size_t max_entries = k_max_bundle_files;
  std::uint64_t max_ratio = k_max_archive_ratio; // bytes out for one byte in
};

struct ArchiveEntry {
  SafePath path;
  unsigned mode = 0644; // or 0755
  std::uint64_t size_bytes = 0;
};

// The archive's next bytes, as many as there are at hand; empty at the end. Valid until the next call.
using ArchiveSource = std::function<Result<std::string_view>()>;
// Reads an open file from where it stands to its end. `fd` outlives the source.
ArchiveSource archive_source(int fd);

class ArchiveReader {
 public:
  // Errors of all three: bundle_invalid (no such archive, damaged, a kind of entry that is refused, a limit),
  // path_refused, and those of the source.
  static Result<ArchiveReader> open(ArchiveSource source, ArchiveCompression compression,
                                    const ArchiveLimits& limits = {});
  ArchiveReader(ArchiveReader&&) noexcept;
  ArchiveReader& operator=(ArchiveReader&&) noexcept;
  ~ArchiveReader();

  // The next file; nullopt at the end. What was not read of the last one is passed over.
  Result<std::optional<ArchiveEntry>> next();
  // The next bytes of that file; empty at its end. Valid until the next call.
  Result<std::string_view> read();

 private:
  struct Impl;
  explicit ArchiveReader(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> m_impl;
};

} // namespace mrun
