// Hashing again what the store holds: which blobs are not what their names say, and who needs them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "packager/store.h"

namespace mrun {

enum class BlobFault {
  missing,    // named by a version, and not there
  size,       // another size than the version says
  content,    // another digest than its name
  unreadable, // the disk fails, or it is no regular file
  invalid,    // every byte is right, and it is no bundle that this mrun reads
};
std::string_view blob_fault_name(BlobFault fault); // as in JSON: "missing", …

struct BlobProblem {
  Digest blob; // of a version that is invalid: its manifest
  BlobFault fault = BlobFault::missing;
  std::string words; // "is missing", "has 10 bytes, it must have 20"
  // That need it; a manifest of another tool needs what it names, too. None: nothing needs it.
  std::vector<Digest> versions;
  bool is_attached = false; // only what is kept beside the versions needs it: a signature
};

struct VerifyProgress {
  std::uint64_t done_bytes = 0;
  std::uint64_t total_bytes = 0;
};

struct VerifyOptions {
  bool everything = false; // also signatures, manifests of other tools, and blobs that nothing names
  // Both are called by several threads, one at a time.
  std::function<void(const VerifyProgress&)> on_progress;
  std::function<bool()> is_stopped; // then the error is interrupted_by_user
};

struct VerifyReport {
  std::size_t blobs = 0; // that were looked at
  std::uint64_t hashed_bytes = 0;
  std::vector<BlobProblem> problems; // by digest

  bool is_damaged(const Digest& version) const;
};

// Each blob of these versions (their manifests too) is read whole and hashed, several at a time on all cores;
// then the versions themselves are checked as store.load() does. Damage is no error: the report lists it.
// Errors: interrupted_by_user, io (the folder can't be listed).
Result<VerifyReport> verify_versions(const Store& store, const std::vector<Digest>& versions,
                                     const VerifyOptions& options);

} // namespace mrun
