#include "cli/locked.h"

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::cli {

Result<FoundLock> need_lock() {
  const auto path = find_lock_file(".");
  if (!path) return fail(ErrorCode::lock_missing, "there is no mrun.lock in this folder or above it");
  MRUN_ASSIGN(LockFile lock, read_lock_file(*path));
  return FoundLock{*path, std::move(lock)};
}

Result<std::optional<Digest>> locked_version(const Arguments& arguments, const Reference& reference) {
  if (!arguments.has("locked")) return std::optional<Digest>();
  if (!reference.has_name()) return reference.digest; // a digest is what a lock would give
  MRUN_ASSIGN(const FoundLock found, need_lock());
  const LockEntry* entry = found.lock.find(reference);
  if (entry == nullptr)
    return fail(ErrorCode::lock_missing,
                fmt::format("{} does not name {}", printable(found.path.string(), 200), lock_key(reference)),
                fmt::format("mrun lock {}", lock_key(reference)));
  const bool is_another = (reference.digest && *reference.digest != entry->digest) ||
                          !entry->digest.hex().starts_with(reference.digest_prefix);
  if (is_another)
    return fail(ErrorCode::lock_mismatch,
                fmt::format("{} says that {} is {}, not what `{}` names", printable(found.path.string(), 200),
                            lock_key(reference), entry->digest.short_hex(), reference.text()));
  return std::optional<Digest>(entry->digest);
}

} // namespace mrun::cli
