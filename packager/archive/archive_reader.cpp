#include "packager/archive/archive_reader.h"

#include <cerrno>
#include <optional>
#include <string>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <unistd.h>

#include "common/fd.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::size_t k_read_bytes = 256 * k_kib;
constexpr std::uint64_t k_free_bytes = 16 * k_mib; // so many may come out of however little
constexpr std::uint64_t k_max_file_bytes = 1ULL << 53;
constexpr std::uint64_t k_max_window_bytes = 128 * k_mib; // of zstd, as libzstd takes it unasked

tl::unexpected<Error> invalid(std::string message, std::string hint = {}) {
  return fail(ErrorCode::bundle_invalid, std::move(message), std::move(hint));
}

std::string_view kind_name(unsigned type) {
  switch (type) {
  case AE_IFLNK:
    return "a symbolic link";
  case AE_IFCHR:
  case AE_IFBLK:
    return "a device";
  case AE_IFIFO:
    return "a pipe";
  case AE_IFSOCK:
    return "a socket";
  default:
    return "of an unknown kind";
  }
}

// Names outside of ASCII come as UTF-8 or as bytes, by the archive's dialect and without regard to a locale.
const char* name_of(archive_entry* entry) {
  const char* name = ::archive_entry_pathname_utf8(entry);
  return name != nullptr ? name : ::archive_entry_pathname(entry);
}

// `tar -C DIR .` begins each name with ./ and ends a folder's with /.
std::string_view plain_name(std::string_view name) {
  while (name.starts_with("./"))
    name.remove_prefix(2);
  while (name.size() > 1 && name.ends_with('/'))
    name.remove_suffix(1);
  return name;
}

} // namespace

struct ArchiveReader::Impl {
  ArchiveSource source;
  ArchiveLimits limits;
  bool compressed = false;
  std::unique_ptr<archive, int (*)(archive*)> handle{::archive_read_new(), &::archive_read_free};
  std::optional<Error> source_error; // libarchive hears of a failure only, the caller of its reason
  std::uint64_t bytes_in = 0;
  std::uint64_t bytes_out = 0; // of files, as their headers say
  std::size_t entries = 0;
  std::uint64_t left = 0; // of the present file
  std::uint64_t at = 0;   // in it

  static la_ssize_t give(archive*, void* self_pointer, const void** buffer) {
    auto& self = *static_cast<Impl*>(self_pointer);
    Result<std::string_view> bytes = self.source();
    if (!bytes) {
      self.source_error = std::move(bytes).error();
      return -1;
    }
    self.bytes_in += bytes->size();
    *buffer = bytes->data();
    return static_cast<la_ssize_t>(bytes->size());
  }

  tl::unexpected<Error> failed() const {
    if (source_error) return tl::unexpected<Error>(*source_error);
    const char* words = ::archive_error_string(handle.get());
    return invalid(
        fmt::format("the archive can't be read: {}", printable(words != nullptr ? words : "it is damaged")));
  }

  // What the decompressor gave so far, headers and padding included, against what it was fed.
  Result<void> check_ratio() const {
    if (!compressed) return {};
    const auto unpacked = static_cast<std::uint64_t>(::archive_filter_bytes(handle.get(), 0));
    if (unpacked <= k_free_bytes || unpacked / limits.max_ratio <= bytes_in) return {};
    return invalid(fmt::format("the archive grows to more than {} times its size", limits.max_ratio),
                   "if it is to be trusted, unpack it and pack the folder");
  }

  Result<void> check_kind(archive_entry* entry, const SafePath& path) const {
    const auto refuse = [&](std::string_view what) {
      return invalid(fmt::format("the archive's entry {} is {}", printable(path.text()), what),
                     "only regular files and folders are taken");
    };
    if (::archive_entry_hardlink(entry) != nullptr) return refuse("a hard link");
    const unsigned type = ::archive_entry_filetype(entry);
    if (type != AE_IFREG && type != AE_IFDIR) return refuse(kind_name(type));
    if (::archive_entry_sparse_count(entry) > 0) return refuse("a sparse file");
    return {};
  }

  Result<std::uint64_t> take_size(archive_entry* entry, const SafePath& path) {
    const la_int64_t size = ::archive_entry_size(entry);
    if (::archive_entry_size_is_set(entry) == 0 || size < 0 ||
        static_cast<std::uint64_t>(size) > k_max_file_bytes)
      return invalid(fmt::format("the archive's entry {} has no sensible size", printable(path.text())));
    const auto size_bytes = static_cast<std::uint64_t>(size);
    if (size_bytes > limits.max_bytes - bytes_out)
      return invalid(
          fmt::format("the archive's files have more than {} together", format_bytes(limits.max_bytes)));
    bytes_out += size_bytes;
    return size_bytes;
  }

  // nullopt: a folder.
  Result<std::optional<ArchiveEntry>> take(archive_entry* entry) {
    if (++entries > limits.max_entries)
      return invalid(fmt::format("the archive has more than {} entries", limits.max_entries));
    const char* name = name_of(entry);
    if (name == nullptr) return invalid("the archive has an entry whose name can't be read");
    const std::string_view plain = plain_name(name);
    const bool folder = ::archive_entry_filetype(entry) == AE_IFDIR;
    if (folder && (plain.empty() || plain == ".")) return std::optional<ArchiveEntry>();
    MRUN_ASSIGN(SafePath path, SafePath::parse(plain));
    MRUN_TRY(check_kind(entry, path));
    if (folder) return std::optional<ArchiveEntry>();
    MRUN_ASSIGN(left, take_size(entry, path));
    at = 0;
    const unsigned mode = (::archive_entry_perm(entry) & 0100) != 0 ? 0755U : 0644U;
    return std::optional<ArchiveEntry>(ArchiveEntry{std::move(path), mode, left});
  }
};

namespace {

// What a zstd frame needs to be unpacked (RFC 8878 §3.1.1.1); 0 where its head does not say.
std::uint64_t zstd_window_bytes(std::string_view head) {
  constexpr std::string_view magic = "\x28\xb5\x2f\xfd";
  constexpr std::size_t most = 18; // bytes of a frame's head
  if (!head.starts_with(magic) || head.size() < most) return 0;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(head[i]); };
  const unsigned descriptor = byte(4);
  if ((descriptor & 0x20) == 0) {
    const std::uint64_t base = 1ULL << (10 + (byte(5) >> 3));
    return base + base / 8 * (byte(5) & 7U);
  }
  // A single segment: the window is the whole content, whose size stands behind a dictionary's id.
  const std::size_t at = 5 + (std::size_t{1} << (descriptor & 3)) / 2;
  const std::size_t length = std::size_t{1} << (descriptor >> 6);
  std::uint64_t size = 0;
  for (std::size_t i = 0; i < length; ++i)
    size |= static_cast<std::uint64_t>(byte(at + i)) << (8 * i);
  return size;
}

} // namespace

ArchiveReader::ArchiveReader(std::unique_ptr<Impl> impl) : m_impl(std::move(impl)) {}
ArchiveReader::ArchiveReader(ArchiveReader&&) noexcept = default;
ArchiveReader& ArchiveReader::operator=(ArchiveReader&&) noexcept = default;
ArchiveReader::~ArchiveReader() = default;

Result<ArchiveReader> ArchiveReader::open(ArchiveSource source, ArchiveCompression compression,
                                          const ArchiveLimits& limits) {
  auto impl = std::make_unique<Impl>();
  if (compression == ArchiveCompression::zstd) {
    MRUN_ASSIGN(const std::string_view head, source());
    // libarchive would say that it does not know the format.
    if (const std::uint64_t window = zstd_window_bytes(head); window > k_max_window_bytes)
      return invalid(fmt::format("the archive takes {} of memory to unpack, at most {} are given",
                                 format_bytes(window), format_bytes(k_max_window_bytes)),
                     "its maker can compress it with `zstd --long=27` or less");
    source = [first = std::string_view(head), rest = std::move(source)]() mutable {
      return first.empty() ? rest() : Result<std::string_view>(std::exchange(first, {}));
    };
  }
  impl->source = std::move(source);
  impl->limits = limits;
  impl->compressed = compression != ArchiveCompression::none;
  archive* handle = impl->handle.get();
  MRUN_CHECK(handle != nullptr);
  // The one filter that was declared, without guessing: a gzip inside a gzip is no tar.
  const int filter = compression == ArchiveCompression::gzip   ? ARCHIVE_FILTER_GZIP
                     : compression == ArchiveCompression::zstd ? ARCHIVE_FILTER_ZSTD
                                                               : ARCHIVE_FILTER_NONE;
  if (::archive_read_append_filter(handle, filter) != ARCHIVE_OK ||
      ::archive_read_support_format_tar(handle) != ARCHIVE_OK ||
      ::archive_read_open(handle, impl.get(), nullptr, &Impl::give, nullptr) != ARCHIVE_OK)
    return impl->failed();
  return ArchiveReader(std::move(impl));
}

Result<std::optional<ArchiveEntry>> ArchiveReader::next() {
  // Read here, not passed over by libarchive, so that its growth is watched.
  while (m_impl->left > 0)
    MRUN_TRY(read());
  while (true) {
    archive_entry* entry = nullptr;
    const int state = ::archive_read_next_header(m_impl->handle.get(), &entry);
    if (state == ARCHIVE_EOF) return std::optional<ArchiveEntry>();
    if (state != ARCHIVE_OK && state != ARCHIVE_WARN) return m_impl->failed();
    MRUN_TRY(m_impl->check_ratio());
    MRUN_ASSIGN(std::optional<ArchiveEntry> taken, m_impl->take(entry));
    if (taken) return taken;
  }
}

Result<std::string_view> ArchiveReader::read() {
  const void* data = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  while (m_impl->left > 0 && size == 0) {
    const int state = ::archive_read_data_block(m_impl->handle.get(), &data, &size, &offset);
    if (state == ARCHIVE_EOF) return invalid("a file of the archive is shorter than its header says");
    if (state != ARCHIVE_OK) return m_impl->failed();
    MRUN_TRY(m_impl->check_ratio());
  }
  // Holes that a header hides, and a map of them that contradicts the size.
  if (size > m_impl->left || (size > 0 && static_cast<std::uint64_t>(offset) != m_impl->at))
    return invalid("a file of the archive is not what its header says");
  m_impl->left -= size;
  m_impl->at += size;
  return std::string_view(static_cast<const char*>(data), size);
}

ArchiveSource archive_source(int fd) {
  return
      [fd, buffer =
               std::make_shared<std::string>()]() -> Result<std::string_view> { // shared: a copyable function
        buffer->resize(k_read_bytes);
        while (true) {
          const ssize_t got = ::read(fd, buffer->data(), buffer->size());
          if (got < 0 && errno == EINTR) continue;
          if (got < 0) return fail_errno(ErrorCode::io, errno, "can't read an archive");
          return std::string_view(buffer->data(), static_cast<std::size_t>(got));
        }
      };
}

} // namespace mrun
