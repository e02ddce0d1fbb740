// mrun.lock: which version each reference means, for a project that must not be surprised by a moved tag
// (docs/formats/lock.md).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/error.h"
#include "common/json.h"
#include "packager/reference.h"

namespace mrun {

inline constexpr std::string_view k_lock_file_name = "mrun.lock";

struct LockEntry {
  Digest digest;
  std::uint64_t size_bytes = 0; // of the files, for whoever reads the file
};

struct LockFile {
  std::map<std::string, LockEntry> models; // by lock_key()

  const LockEntry* find(const Reference& reference) const;
};

// [host/]owner/name:tag, the default tag written out.
std::string lock_key(const Reference& reference);

// Error lock_invalid.
Result<LockFile> parse_lock(std::string_view text, std::string_view file_name);
// {NAME: {"digest": …, "size_bytes": …}}
Json models_json(const LockFile& lock);
// Sorted, two spaces of indentation, a newline at the end: one line of a diff a change.
std::string encode_lock(const LockFile& lock);

// mrun.lock of this folder or of the nearest one above it that has one.
std::optional<std::filesystem::path> find_lock_file(const std::filesystem::path& folder);
// Errors: lock_invalid.
Result<LockFile> read_lock_file(const std::filesystem::path& path);
// Replaces the file whole. Errors: io, disk_full.
Result<void> write_lock_file(const std::filesystem::path& path, const LockFile& lock);

} // namespace mrun
