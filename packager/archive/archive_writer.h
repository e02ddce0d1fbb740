// Tar archives that are the same bytes everywhere: ustar, PAX only for sizes above 8 GiB; owner, group and
// time are 0, names come in the caller's order, two zero blocks end it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

// Takes the archive's bytes as they come.
using ArchiveSink = std::function<Result<void>(std::string_view bytes)>;

class ArchiveWriter {
 public:
  // Errors of all: those of the sink.
  static Result<ArchiveWriter> open(ArchiveSink sink);
  ArchiveWriter(ArchiveWriter&&) noexcept;
  ArchiveWriter& operator=(ArchiveWriter&&) noexcept;
  ~ArchiveWriter(); // unfinished: the archive is not whole

  Result<void> add_folder(const std::string& name); // mode 0755
  // Then exactly `size_bytes` by write(). Mode 0644.
  Result<void> begin_file(const std::string& name, std::uint64_t size_bytes);
  Result<void> write(std::string_view bytes);
  Result<void> finish();

 private:
  struct Impl;
  explicit ArchiveWriter(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> m_impl;
};

} // namespace mrun
