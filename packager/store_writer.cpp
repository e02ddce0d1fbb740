#include "packager/store_writer.h"

#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

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
  const Result<std::string> content = read_part(fd.get(), 0, size, "it", ErrorCode::store_corrupt);
  return content && Sha256::of(*content) == digest;
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

Result<Store::Writer::Incoming> Store::Writer::begin_blob() {
  const std::string name = "tmp/" + new_temporary_name();
  MRUN_ASSIGN(UniqueFd fd,
              m_store.file_system.open(m_store.root.get(), name, O_RDWR | O_CREAT | O_EXCL, 0600));
  return Incoming(*this, name, std::move(fd), false);
}

Result<std::optional<Store::Writer::Incoming>>
Store::Writer::resume_blob(const Digest& digest, std::uint64_t size, Gaps gaps, const GoOn& go_on) {
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
  MRUN_TRY(incoming.extend(there, go_on));
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

Result<void> Store::Writer::Incoming::extend(std::uint64_t upto, const std::function<Result<void>()>& go_on) {
  return read_range(m_fd.get(), m_size, upto - m_size, m_name, ErrorCode::pack_file_changed,
                    [&](std::string_view bytes) -> Result<void> {
                      m_hash.update(bytes);
                      m_size += bytes.size();
                      return go_on ? go_on() : Result<void>();
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

void Store::Writer::touch_note(const std::string& name) {
  (void)::utimensat(m_store.root.get(), ("tmp/" + name).c_str(), nullptr, AT_SYMLINK_NOFOLLOW);
}

void Store::Writer::drop_note(const std::string& name) {
  (void)m_store.file_system.unlink(m_store.root.get(), "tmp/" + name); // else gc finds it
}

void Store::Writer::drop_partial(const Digest& digest) {
  const std::string name = fmt::format("tmp/{}{}", k_partial_prefix, digest.hex());
  const UniqueFd fd(::openat(m_store.root.get(), name.c_str(), O_RDWR | O_CLOEXEC | O_NOFOLLOW));
  if (fd && ::flock(fd.get(), LOCK_EX | LOCK_NB) == 0)
    (void)m_store.file_system.unlink(m_store.root.get(), name); // else gc finds it
}

} // namespace mrun
