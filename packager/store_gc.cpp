// Garbage collection: whatever no tag and no live lease reaches goes, while nobody writes.
#include "packager/store.h"

#include <algorithm>
#include <set>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "packager/bundle_format.h"
#include "packager/manifest_links.h"
#include "packager/pull_notes.h"
#include "packager/store_files.h"

namespace mrun {
namespace {

// Adds `digest` and everything that its manifest names, ours or another tool's.
Result<void> mark(const Store& store, const Digest& digest, int depth, std::set<Digest>& live) {
  if (depth > k_max_index_depth)
    return fail(ErrorCode::store_corrupt, fmt::format("indexes are nested more than {} deep at {}",
                                                      k_max_index_depth, digest.short_hex()));
  if (!live.insert(digest).second) return {};
  MRUN_ASSIGN(const std::string text, store.read_blob(digest, k_max_oci_manifest_bytes));
  MRUN_ASSIGN(const ManifestLinks links, manifest_links(text, digest));
  if (links.subject) live.insert(*links.subject);
  for (const ManifestLink& link : links.blobs)
    live.insert(link.digest);
  for (const ManifestLink& link : links.manifests)
    MRUN_TRY(mark(store, link.digest, depth + 1, live));
  return {};
}

} // namespace

// What the index and the leases keep. A root that can't be read stops gc: what it needs is unknown.
Result<Store::Impl::Liveness> Store::Impl::find_live(const Store& store, GcReach reach) {
  Liveness out;
  const std::int64_t now_ns = clock.wall_ns();
  std::set<Digest> leased;
  MRUN_ASSIGN(const auto leases, read_leases());
  for (const auto& [digest, end_ns] : leases)
    (end_ns > now_ns && reach != GcReach::all ? leased : out.ended_leases).insert(digest);
  std::set<Digest> roots = leased;
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, read_index());
  for (const IndexEntry& entry : index->entries) {
    if (entry.subject) continue; // below: they keep nothing, they are kept
    const bool kept =
        !entry.tag.empty() || entry.is_kept || !entry.foreign.is_null() || leased.contains(entry.digest);
    if (kept)
      roots.insert(entry.digest);
    else
      out.ended_entries.insert(entry.digest);
  }
  for (const Digest& version : roots) {
    const bool only_leased = !index->contains(version);
    if (only_leased && ::faccessat(blobs.get(), version.hex().c_str(), F_OK, 0) != 0)
      continue; // its blob is gone already
    Result<void> marked = mark(store, version, 0, out.blobs);
    if (!marked)
      return fail(ErrorCode::store_corrupt,
                  fmt::format("version {}: {}", version.short_hex(), marked.error().message),
                  "pack it again, or `mrun rm` it, then repeat `mrun gc`");
  }
  std::vector<std::string> notes;
  if (reach != GcReach::all) {
    MRUN_ASSIGN(notes, young_notes());
  }
  for (const std::string& name : notes)
    for (const Digest& blob : noted_blobs(read_note(name)))
      out.blobs.insert(blob);
  for (const IndexEntry& entry : index->entries) {
    if (!entry.subject) continue;
    std::set<Digest> own;
    // one that can't be read any more is of no use
    if (out.blobs.contains(*entry.subject) && mark(store, entry.digest, 0, own))
      out.blobs.merge(own);
    else
      out.ended_entries.insert(entry.digest);
  }
  return out;
}

Result<GcPlan> Store::Impl::plan(const Store& store, const Liveness& live, GcReach reach) {
  GcPlan out;
  MRUN_ASSIGN(const std::vector<std::string> names, file_system.list(blobs.get()));
  for (const std::string& name : names) {
    const Result<Digest> digest = Digest::parse_hex(name);
    if (!digest || live.blobs.contains(*digest)) continue;
    struct stat status {};
    if (::fstatat(store.blobs_dir_fd(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) < 0 ||
        S_ISDIR(status.st_mode))
      continue;
    out.blobs.push_back(*digest);
    out.size_bytes += static_cast<std::uint64_t>(status.st_size);
  }
  std::sort(out.blobs.begin(), out.blobs.end());
  const UniqueFd temporary(::openat(root.get(), "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  MRUN_ASSIGN(const std::vector<std::string> ended, leftovers(reach));
  out.leftovers = ended.size();
  for (const std::string& name : ended) {
    struct stat status {};
    if (::fstatat(temporary.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0)
      out.size_bytes += static_cast<std::uint64_t>(status.st_size);
  }
  return out;
}

// Best effort: what can't be removed now is gc's.
void Store::Impl::clear_leftovers() {
  const auto seen = leftovers(GcReach::ended);
  if (!seen || seen->empty()) return;
  const auto alone = FileLock::take(file_system, root.get(), "lock", FileLock::Kind::exclusive,
                                    std::chrono::milliseconds(0));
  if (!alone) return;
  const auto names = leftovers(GcReach::ended); // those of before may be a writer's who was at work then
  if (!names) return;
  for (const std::string& name : *names)
    (void)file_system.unlink(root.get(), "tmp/" + name);
}

Result<std::vector<std::string>> Store::Impl::leftovers(GcReach reach) {
  const UniqueFd temporary(::openat(root.get(), "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!temporary) return std::vector<std::string>();
  MRUN_ASSIGN(std::vector<std::string> names, file_system.list(temporary.get()));
  const auto is_there = [&](std::string_view name) { // then nothing goes on with a part of it
    const Result<Digest> digest = Digest::parse_hex(name.substr(k_partial_prefix.size()));
    return digest && ::faccessat(root.get(), ("blobs/sha256/" + digest->hex()).c_str(), F_OK, 0) == 0;
  };
  std::erase_if(names, [&](const std::string& name) {
    const bool stays =
        name.starts_with(k_note_prefix) || (name.starts_with(k_partial_prefix) && !is_there(name));
    return stays && reach != GcReach::all && is_young(temporary.get(), name);
  });
  return names;
}

Result<std::vector<std::string>> Store::Impl::young_notes() {
  const UniqueFd temporary(::openat(root.get(), "tmp", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!temporary) return std::vector<std::string>();
  MRUN_ASSIGN(std::vector<std::string> names, file_system.list(temporary.get()));
  std::erase_if(names, [&](const std::string& name) {
    return !name.starts_with(k_note_prefix) || !is_young(temporary.get(), name);
  });
  return names;
}

bool Store::Impl::is_young(int tmp_fd, const std::string& name) const {
  const std::int64_t oldest_s =
      clock.wall_ns() / 1'000'000'000 - std::chrono::seconds(k_partial_lifetime).count();
  struct stat status {};
  return ::fstatat(tmp_fd, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         status.st_mtim.tv_sec > oldest_s;
}

std::string Store::Impl::read_note(const std::string& name) const {
  const UniqueFd fd(
      ::openat(root.get(), ("tmp/" + name).c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) < 0 || !S_ISREG(status.st_mode)) return {};
  return read_all(fd.get(), k_max_note_bytes, "a note", ErrorCode::io).value_or("");
}

Result<GcPlan> Store::plan_gc(GcReach reach) const {
  MRUN_ASSIGN(const Impl::Liveness live, m_impl->find_live(*this, reach));
  return m_impl->plan(*this, live, reach);
}

Result<GcPlan> Store::collect_garbage(GcReach reach) {
  Impl& impl = *m_impl;
  MRUN_TRY(impl.need_writable());
  MRUN_ASSIGN(const FileLock lock, FileLock::take(impl.file_system, impl.root.get(), "lock",
                                                  FileLock::Kind::exclusive, k_lock_patience));
  MRUN_ASSIGN(const Impl::Liveness live, impl.find_live(*this, reach));
  MRUN_ASSIGN(GcPlan plan, impl.plan(*this, live, reach));
  MRUN_ASSIGN(const std::vector<std::string> ended,
              impl.leftovers(reach)); // while the blobs that go are there
  if (!live.ended_entries.empty())    // first the names, then what they name
    MRUN_TRY(impl.change_index([&](StoreIndex& index) -> Result<bool> {
      return std::erase_if(index.entries, [&](const IndexEntry& entry) {
               return entry.tag.empty() && !entry.is_kept && live.ended_entries.contains(entry.digest);
             }) > 0;
    }));
  for (const Digest& digest : live.ended_leases)
    MRUN_TRY(impl.file_system.unlink(impl.root.get(), "leases/" + digest.hex()));
  for (const Digest& blob : plan.blobs) { // consent first: without it the version only asks again
    if (is_trusted(blob)) MRUN_TRY(impl.file_system.unlink(impl.root.get(), "trusted/" + blob.hex()));
    MRUN_TRY(impl.file_system.unlink(impl.root.get(), "blobs/sha256/" + blob.hex()));
  }
  for (const std::string& name : ended) // under the lock nobody writes one
    MRUN_TRY(impl.file_system.unlink(impl.root.get(), "tmp/" + name));
  return plan;
}

} // namespace mrun
