#include "packager/store_writer.h"

#include <set>

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/fs.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/text.h"

namespace mrun {
namespace {

constexpr std::uint64_t k_verify_bytes =
    1 * k_mib; // a blob up to here is hashed again before it is taken as there

struct stat stat_of(int fd) {
  struct stat status {};
  MRUN_CHECK(::fstat(fd, &status) == 0);
  return status;
}

} // namespace

bool same_content(const struct stat& a, int fd) {
  const struct stat b = stat_of(fd);
  const auto same_time = [](const timespec& x, const timespec& y) {
    return x.tv_sec == y.tv_sec && x.tv_nsec == y.tv_nsec;
  };
  return a.st_ino == b.st_ino && a.st_size == b.st_size && same_time(a.st_mtim, b.st_mtim) &&
         same_time(a.st_ctim, b.st_ctim);
}

namespace {

// Reads, hashes and, with `to`, writes.
Result<Digest> pass_through(int from, std::span<const FileRange> ranges,
                            const Store::Writer::Progress& progress,
                            const std::function<Result<void>(std::string_view)>& to = nullptr) {
  Sha256 hash;
  std::uint64_t done = 0;
  const auto take = [&](std::string_view bytes) -> Result<void> {
    hash.update(bytes);
    if (to) MRUN_TRY(to(bytes));
    done += bytes.size();
    if (progress) progress(done);
    return {};
  };
  ::posix_fadvise(from, 0, 0, POSIX_FADV_SEQUENTIAL);
  for (const FileRange& range : ranges)
    MRUN_TRY(read_range(from, range.offset, range.length, "it", ErrorCode::pack_file_changed, take));
  return hash.finish();
}

Result<Digest> hash_file(int fd, std::uint64_t size, const Store::Writer::Progress& progress) {
  const FileRange whole{0, size};
  return pass_through(fd, {&whole, 1}, progress);
}

} // namespace

Store::Writer::~Writer() = default;

Result<std::unique_ptr<Store::Writer>> Store::begin_write() {
  MRUN_TRY(m_impl->need_writable());
  m_impl->clear_leftovers();
  MRUN_ASSIGN(FileLock lock, FileLock::take(m_impl->file_system, m_impl->root.get(), "lock",
                                            FileLock::Kind::shared, k_lock_patience));
  return std::unique_ptr<Writer>(new Writer(*m_impl, std::move(lock)));
}

// A blob of the right size is taken as it is; a small one only when its content is right, so that packing
// again mends.
Result<bool> Store::Writer::has_blob(const Digest& digest, std::uint64_t size) {
  const UniqueFd fd(::openat(m_store.blobs.get(), digest.hex().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!fd) return false;
  const struct stat status = stat_of(fd.get());
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) != size) return false;
  if (size > k_verify_bytes) return true;
  const Result<Digest> content = hash_file(fd.get(), size, {});
  return content && *content == digest;
}

bool Store::Writer::has(const BlobClaim& claim) const {
  return has_untouched(claim, INT64_MAX);
}

std::uint64_t Store::Writer::partial_bytes(const BlobClaim& claim) const {
  return m_store.partial_bytes(claim.digest, claim.size);
}

bool Store::Writer::has_untouched(const BlobClaim& claim, std::int64_t since_ns) const {
  struct stat status {};
  return ::fstatat(m_store.blobs.get(), claim.digest.hex().c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
         S_ISREG(status.st_mode) && static_cast<std::uint64_t>(status.st_size) == claim.size &&
         status.st_ctim.tv_sec * 1'000'000'000LL + status.st_ctim.tv_nsec <= since_ns;
}

Result<AddedBlob> Store::Writer::publish(const std::string& temporary, int fd, const Digest& digest,
                                         std::uint64_t size, bool replaces) {
  MRUN_ASSIGN(const bool known, has_blob(digest, size));
  if (known && !replaces) {
    MRUN_TRY(m_store.file_system.unlink(m_store.root.get(), temporary));
    return AddedBlob{digest, size, false};
  }
  ::fchmod(fd, 0444);
  MRUN_TRY(m_store.file_system.sync(fd));
  MRUN_TRY(m_store.file_system.rename(m_store.root.get(), temporary, "blobs/sha256/" + digest.hex()));
  return AddedBlob{digest, size, !known};
}

Result<AddedBlob> Store::Writer::add_bytes(std::string_view bytes) {
  const Digest digest = Sha256::of(bytes);
  MRUN_ASSIGN(const bool known, has_blob(digest, bytes.size()));
  if (known) return AddedBlob{digest, bytes.size(), false};
  MRUN_ASSIGN(Incoming incoming, begin_blob());
  MRUN_TRY(incoming.write(bytes));
  return incoming.finish(digest);
}

// A clone shares the blocks, so its bytes can't change under the hash any more.
Result<Digest> Store::Writer::clone_or_copy(int from, std::uint64_t size, int to, const Progress& progress) {
  if (::ioctl(to, FICLONE, from) == 0) return hash_file(to, size, progress);
  const FileRange whole{0, size};
  return pass_through(from, {&whole, 1}, progress,
                      [&](std::string_view bytes) { return m_store.file_system.write(to, bytes); });
}

Result<AddedBlob> Store::Writer::add_ranges(int fd, std::span<const FileRange> ranges, bool likely_known,
                                            const Progress& progress) {
  std::uint64_t size = 0;
  for (const FileRange& range : ranges)
    size += range.length;
  if (likely_known) {
    MRUN_ASSIGN(const Digest digest, pass_through(fd, ranges, progress));
    MRUN_ASSIGN(const bool known, has_blob(digest, size));
    if (known) return AddedBlob{digest, size, false};
  }
  MRUN_ASSIGN(Incoming incoming, begin_blob());
  MRUN_ASSIGN(const Digest digest, pass_through(fd, ranges, progress, [&](std::string_view bytes) {
                return m_store.file_system.write(incoming.m_fd.get(), bytes);
              }));
  MRUN_ASSIGN(const AddedBlob added, publish(incoming.m_name, incoming.m_fd.get(), digest, size));
  incoming.m_writer = nullptr; // nothing left to drop
  return added;
}

Result<AddedBlob> Store::Writer::add_file(int fd, std::string_view name,
                                          const std::optional<Digest>& expected, const Progress& progress) {
  const struct stat before = stat_of(fd);
  const std::uint64_t size = static_cast<std::uint64_t>(before.st_size);
  const auto changed = [&] {
    return fail(ErrorCode::pack_file_changed, fmt::format("{} changed while it was packed", printable(name)));
  };
  const auto renamed = [&](Error error) {
    if (error.code == ErrorCode::pack_file_changed) return tl::unexpected<Error>(changed());
    return tl::unexpected<Error>(std::move(error).with_note(fmt::format("while adding {}", printable(name))));
  };
  if (expected) {
    const Result<Digest> digest = hash_file(fd, size, progress);
    if (!digest) return renamed(digest.error());
    MRUN_ASSIGN(const bool known, has_blob(*digest, size));
    if (!same_content(before, fd)) return changed();
    if (known) return AddedBlob{*digest, size, false};
  }
  MRUN_ASSIGN(Incoming incoming, begin_blob());
  const Result<Digest> digest = clone_or_copy(fd, size, incoming.m_fd.get(), progress);
  if (!digest) return renamed(digest.error());
  if (!same_content(before, fd)) return changed();
  Result<AddedBlob> added = publish(incoming.m_name, incoming.m_fd.get(), *digest, size);
  if (!added) return renamed(added.error());
  incoming.m_writer = nullptr; // nothing left to drop
  return added;
}

Result<Store::Writer::Incoming> Store::Writer::begin_blob() {
  const std::string name = "tmp/" + new_temporary_name();
  MRUN_ASSIGN(UniqueFd fd,
              m_store.file_system.open(m_store.root.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600));
  return Incoming(*this, name, std::move(fd), false);
}

Result<std::optional<Store::Writer::Incoming>> Store::Writer::resume_blob(const Digest& digest,
                                                                          std::uint64_t size, Gaps gaps) {
  const std::string name = fmt::format("tmp/{}{}", k_partial_prefix, digest.hex());
  MRUN_ASSIGN(UniqueFd fd, m_store.file_system.open(m_store.root.get(), name, O_RDWR | O_CREAT, 0600));
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) return std::nullopt;
  struct stat named {};
  // The one who had the lock may have published or dropped the file in between.
  const bool is_gone = ::fstatat(m_store.root.get(), name.c_str(), &named, AT_SYMLINK_NOFOLLOW) < 0 ||
                       named.st_ino != stat_of(fd.get()).st_ino;
  if (is_gone) return std::nullopt;
  Incoming incoming(*this, name, std::move(fd), true);
  if (static_cast<std::uint64_t>(named.st_size) > size) {
    MRUN_TRY(incoming.restart());
    return incoming;
  }
  const auto size_on_disk = static_cast<std::uint64_t>(named.st_size);
  const std::uint64_t there = without_gap(incoming.m_fd.get(), size_on_disk);
  if (gaps == Gaps::keep)
    incoming.m_parts = written_parts(incoming.m_fd.get(), size_on_disk);
  else if (::ftruncate(incoming.m_fd.get(), static_cast<off_t>(there)) < 0)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't cut {}", name));
  MRUN_TRY(incoming.extend(there));
  ::lseek(incoming.m_fd.get(), static_cast<off_t>(there), SEEK_SET);
  return incoming;
}

Result<Store::Writer::Incoming::Part> Store::Writer::Incoming::part(std::uint64_t offset) {
  Impl& store = m_writer->m_store;
  MRUN_ASSIGN(UniqueFd fd, store.file_system.open(store.root.get(), m_name, O_WRONLY, 0));
  if (::lseek(fd.get(), static_cast<off_t>(offset), SEEK_SET) < 0)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't write {}", m_name));
  return Part(store.file_system, std::move(fd));
}

Result<void> Store::Writer::Incoming::extend(std::uint64_t upto) {
  return read_range(m_fd.get(), m_size, upto - m_size, m_name, ErrorCode::pack_file_changed,
                    [&](std::string_view bytes) -> Result<void> {
                      m_hash.update(bytes);
                      m_size += bytes.size();
                      return {};
                    });
}

Store::Writer::Incoming::Incoming(Writer& writer, std::string name, UniqueFd fd, bool stays)
    : m_writer(&writer),
      m_name(std::move(name)),
      m_fd(std::move(fd)),
      m_stays(stays) {}

Store::Writer::Incoming::Incoming(Incoming&& other) noexcept
    : m_writer(std::exchange(other.m_writer, nullptr)),
      m_name(std::move(other.m_name)),
      m_fd(std::move(other.m_fd)),
      m_hash(other.m_hash),
      m_size(other.m_size),
      m_parts(std::move(other.m_parts)),
      m_stays(other.m_stays) {}

Store::Writer::Incoming::~Incoming() {
  drop();
}

void Store::Writer::Incoming::drop() {
  if (m_writer == nullptr) return;
  if (m_stays && stat_of(m_fd.get()).st_size > 0) return;
  (void)m_writer->m_store.file_system.unlink(m_writer->m_store.root.get(), m_name); // else gc finds it
  m_writer = nullptr;
}

Result<void> Store::Writer::Incoming::write(std::string_view bytes) {
  MRUN_TRY(m_writer->m_store.file_system.write(m_fd.get(), bytes));
  m_hash.update(bytes);
  m_size += bytes.size();
  return {};
}

Result<void> Store::Writer::Incoming::restart() {
  if (::ftruncate(m_fd.get(), 0) < 0 || ::lseek(m_fd.get(), 0, SEEK_SET) < 0)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't empty {}", m_name));
  m_hash = Sha256();
  m_size = 0;
  m_parts.clear();
  return {};
}

Result<void> Store::Writer::Incoming::check(const Digest& digest, const std::optional<Digest>& expected) {
  m_stays = false; // whole: it is used now, or it is wrong
  if (!expected || digest == *expected) return {};
  return fail(ErrorCode::store_corrupt, fmt::format("blob {} arrived with the content of {}",
                                                    expected->short_hex(), digest.short_hex()));
}

Result<AddedBlob> Store::Writer::Incoming::finish(const std::optional<Digest>& expected) {
  const Digest digest = m_hash.finish();
  MRUN_TRY(check(digest, expected));
  // It came since none was there, or a damaged one: what was just verified counts.
  MRUN_ASSIGN(const AddedBlob added, m_writer->publish(m_name, m_fd.get(), digest, m_size, true));
  m_writer = nullptr;
  return added;
}

Result<int> Store::Writer::Incoming::use(const Digest& expected) {
  MRUN_TRY(check(m_hash.finish(), expected));
  if (::lseek(m_fd.get(), 0, SEEK_SET) < 0)
    return fail_errno(ErrorCode::io, errno, fmt::format("can't read {}", m_name));
  return m_fd.get();
}

Result<void> Store::Writer::write_note(const std::string& name, std::string_view text) {
  return m_store.write_file(m_store.tmp.get(), "tmp", name, text, 0600);
}

std::string Store::Writer::read_note(const Store& store, const std::string& name) {
  return store.m_impl->read_note(name);
}

void Store::Writer::drop_note(const std::string& name) {
  (void)m_store.file_system.unlink(m_store.root.get(), "tmp/" + name); // else gc finds it
}

Result<void> Store::Writer::put_entries(std::vector<IndexEntry> entries) {
  MRUN_TRY(m_store.file_system.sync(m_store.blobs.get())); // the blobs' names, before anything refers to them
  for (IndexEntry& entry : entries) {
    struct stat manifest {};
    if (::fstatat(m_store.blobs.get(), entry.digest.hex().c_str(), &manifest, AT_SYMLINK_NOFOLLOW) < 0)
      return fail(ErrorCode::model_not_found, fmt::format("there is no version {}", entry.digest.text()));
    entry.manifest_size = static_cast<std::uint64_t>(manifest.st_size);
    entry.created_ns = m_store.clock.wall_ns();
  }
  return m_store.change_index([&](StoreIndex& index) -> Result<bool> {
    for (const IndexEntry& entry : entries)
      index.put(entry);
    return true;
  });
}

Result<void> Store::Writer::tag(const Reference& reference, const Digest& manifest, const VersionFacts& facts,
                                const Provenance& from) {
  return put_entries({{reference.model(), reference.tag_or_default(), manifest, 0, facts.size_bytes, 0,
                       facts.engine, from.origin, from.source}});
}

Result<void> Store::Writer::attach(const Digest& manifest, const Digest& subject,
                                   const std::string& artifact_type) {
  const Result<std::shared_ptr<const StoreIndex>> index = m_store.read_index();
  if (index && (*index)->contains(manifest)) return {};
  IndexEntry entry;
  entry.digest = manifest;
  entry.subject = subject;
  entry.artifact_type = artifact_type;
  return put_entries({std::move(entry)});
}

Result<void> Store::Writer::keep(const std::string& model, const Digest& manifest, const VersionFacts& facts,
                                 std::chrono::seconds lifetime, const Provenance& from) {
  MRUN_TRY(m_store.write_leases({manifest}, lifetime));
  const Result<std::shared_ptr<const StoreIndex>> index = m_store.read_index();
  if (index && (*index)->contains(manifest)) // a tag shows it already
    return m_store.file_system.sync(m_store.blobs.get());
  return put_entries({{model, "", manifest, 0, facts.size_bytes, 0, facts.engine, from.origin, from.source}});
}

Result<void> Store::Writer::name_all(const std::vector<Naming>& names, std::chrono::seconds lease_lifetime) {
  MRUN_ASSIGN(const std::shared_ptr<const StoreIndex> index, m_store.read_index());
  std::set<Digest> leased;
  std::vector<IndexEntry> entries;
  for (const Naming& name : names) {
    const bool tagged = !name.reference.tag.empty();
    if (!tagged) leased.insert(name.manifest);
    if (!tagged && index->contains(name.manifest)) continue; // a tag shows it already
    entries.push_back({name.reference.model(), name.reference.tag, name.manifest, 0, name.facts.size_bytes, 0,
                       name.facts.engine, name.from.origin, name.from.source});
  }
  MRUN_TRY(m_store.write_leases(leased, lease_lifetime));
  return put_entries(std::move(entries));
}

} // namespace mrun
