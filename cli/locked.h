// --locked: a reference means what mrun.lock says, or nothing.
#pragma once

#include <filesystem>
#include <optional>

#include "cli/arguments.h"
#include "cli/context.h"
#include "packager/lock_file.h"
#include "packager/reference.h"

namespace mrun::cli {

inline constexpr FlagSpec k_locked_flag = {
    .name = "locked", .help = "use the versions of mrun.lock (here or above), and refuse any other"};

// The lock file that counts here, and where it is. Error lock_missing: there is none.
struct FoundLock {
  std::filesystem::path path;
  LockFile lock;
};
Result<FoundLock> need_lock();

// With --locked, the version that the lock file names; nullopt without. Errors: lock_missing, lock_invalid.
Result<std::optional<Digest>> locked_version(const Arguments& arguments, const Reference& reference);

} // namespace mrun::cli
