#include "common/fd.h"

#include <algorithm>
#include <cerrno>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mrun {
namespace {

constexpr std::uint64_t k_range_bytes = 1 << 20;

} // namespace

void UniqueFd::reset(int fd) {
  if (m_fd >= 0) ::close(m_fd);
  m_fd = fd;
}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  if (this != &other) {
    Mapping old(std::move(*this));
    m_base = std::exchange(other.m_base, nullptr);
    m_mapped_bytes = std::exchange(other.m_mapped_bytes, 0);
    m_data = std::exchange(other.m_data, nullptr);
    m_size = std::exchange(other.m_size, 0);
  }
  return *this;
}

Mapping::~Mapping() {
  if (m_base != nullptr) ::munmap(m_base, m_mapped_bytes);
}

Result<Mapping> Mapping::map(int fd, std::uint64_t offset, std::size_t length) {
  Mapping mapping;
  if (length == 0) return mapping;
  const std::uint64_t page = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  const std::size_t lead = static_cast<std::size_t>(offset % page);
  if (length > SIZE_MAX - lead) return fail(ErrorCode::io, "a mapping would be larger than memory");
  void* base = ::mmap(nullptr, length + lead, PROT_READ, MAP_PRIVATE, fd, static_cast<off_t>(offset - lead));
  if (base == MAP_FAILED) return fail_errno(ErrorCode::io, errno, "can't map a file");
  mapping.m_base = base;
  mapping.m_mapped_bytes = length + lead;
  mapping.m_data = static_cast<const std::byte*>(base) + lead;
  mapping.m_size = length;
  return mapping;
}

Result<std::string> read_all(int fd, std::size_t limit, std::string_view what, ErrorCode too_large) {
  std::string out;
  char buffer[64 * 1024];
  for (;;) {
    const ssize_t got = ::read(fd, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(ErrorCode::io, errno, fmt::format("can't read {}", what));
    if (got == 0) return out;
    if (out.size() + static_cast<std::size_t>(got) > limit)
      return fail(too_large, fmt::format("{} has over {} bytes", what, limit));
    out.append(buffer, static_cast<std::size_t>(got));
  }
}

Result<std::string> read_file(const std::string& path, std::size_t limit, ErrorCode missing,
                              ErrorCode too_large) {
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd)
    return fail_errno(errno == ENOENT ? missing : ErrorCode::io, errno, fmt::format("can't open {}", path));
  return read_all(fd.get(), limit, path, too_large);
}

Result<void> read_range(int fd, std::uint64_t offset, std::uint64_t length, std::string_view what,
                        ErrorCode too_short, const std::function<Result<void>(std::string_view)>& take) {
  std::string buffer(static_cast<std::size_t>(std::min<std::uint64_t>(k_range_bytes, length)), '\0');
  while (length > 0) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(buffer.size(), length));
    const ssize_t got = ::pread(fd, buffer.data(), wanted, static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(ErrorCode::io, errno, fmt::format("can't read {}", what));
    if (got == 0) return fail(too_short, fmt::format("{} ends {} bytes too early", what, length));
    MRUN_TRY(take(std::string_view(buffer.data(), static_cast<std::size_t>(got))));
    offset += static_cast<std::uint64_t>(got);
    length -= static_cast<std::uint64_t>(got);
  }
  return {};
}

Result<std::string> read_part(int fd, std::uint64_t offset, std::uint64_t length, std::string_view what,
                              ErrorCode too_short) {
  std::string bytes;
  MRUN_TRY(read_range(fd, offset, length, what, too_short, [&](std::string_view more) -> Result<void> {
    bytes += more;
    return {};
  }));
  return bytes;
}

Result<void> write_all(int fd, std::string_view bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t done = ::write(fd, bytes.data(), bytes.size());
    if (done < 0 && errno == EINTR) continue;
    if (done < 0) return fail_errno(ErrorCode::io, errno, fmt::format("can't write {}", what));
    bytes.remove_prefix(static_cast<std::size_t>(done));
  }
  return {};
}

Result<void> set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
    return fail_errno(ErrorCode::io, errno, "can't make a descriptor non-blocking");
  return {};
}

Result<UniqueFd> sealed_memfd(std::string_view name, std::string_view bytes) {
  return sealed_memfd(name, [bytes](int fd) { return write_all(fd, bytes, "a memory file"); });
}

Result<UniqueFd> sealed_memfd(std::string_view name, const std::function<Result<void>(int fd)>& fill) {
  UniqueFd fd(::memfd_create(std::string(name).c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return fail_errno(ErrorCode::io, errno, "can't make a memory file");
  MRUN_TRY(fill(fd.get()));
  if (::fcntl(fd.get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
    return fail_errno(ErrorCode::io, errno, "can't seal a memory file");
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

Result<std::uint64_t> file_size(int fd, std::string_view what) {
  struct stat status {};
  if (::fstat(fd, &status) < 0) return fail_errno(ErrorCode::io, errno, fmt::format("can't stat {}", what));
  if (!S_ISREG(status.st_mode)) return fail(ErrorCode::io, fmt::format("{} is not a regular file", what));
  return static_cast<std::uint64_t>(status.st_size);
}

} // namespace mrun
