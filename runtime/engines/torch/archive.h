// The model's archive behind the file door: only the members that are asked for are mapped.
#pragma once

#include <cstdint>
#include <string_view>

#include "common/error.h"
#include "common/zip_directory.h"
#include "runtime/mrun_predictor.h"

namespace mrun::torch_engine {

// A view of a part of a file of the bundle, valid until unload. Error load_failed: the host can't map it.
Result<std::string_view> span_of(const mrun_file& file, std::uint64_t offset, std::uint64_t length);

// Immutable; any thread.
class Archive {
 public:
  // `file` outlives the archive. Error load_failed: not a ZIP archive, a damaged one, or one that can't be
  // mapped.
  static Result<Archive> open(const mrun_file& file);

  const mrun_file& file() const { return *m_file; }
  const ZipDirectory& directory() const { return m_directory; }
  // The bytes of a stored member, valid until unload. Error load_failed: it is missing or compressed, or
  // can't be mapped.
  Result<std::string_view> stored_bytes(std::string_view name) const;

 private:
  Archive(const mrun_file& file, ZipDirectory directory) : m_file(&file), m_directory(std::move(directory)) {}

  const mrun_file* m_file;
  ZipDirectory m_directory;
};

} // namespace mrun::torch_engine
