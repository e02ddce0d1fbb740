#include "runtime/address_area.h"

#include <cerrno>

#include <sys/mman.h>
#include <unistd.h>

namespace mrun {

std::uint64_t page_bytes() {
  return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

AddressArea& AddressArea::operator=(AddressArea&& other) noexcept {
  std::swap(m_base, other.m_base);
  std::swap(m_size, other.m_size);
  return *this;
}

AddressArea::~AddressArea() {
  if (m_base != nullptr) ::munmap(m_base, m_size);
}

Result<AddressArea> AddressArea::reserve(std::uint64_t size) {
  void* base =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (base == MAP_FAILED) return fail_errno(ErrorCode::resources, errno, "can't reserve memory for a file");
  AddressArea area;
  area.m_base = static_cast<char*>(base);
  area.m_size = size;
  return area;
}

Result<void> AddressArea::map(std::uint64_t at, std::uint64_t length, int fd, std::uint64_t offset) {
  MRUN_CHECK(at <= m_size && length <= m_size - at);
  MRUN_CHECK(at % page_bytes() == 0 && offset % page_bytes() == 0);
  if (::mmap(m_base + at, length, PROT_READ, MAP_PRIVATE | MAP_FIXED, fd, static_cast<off_t>(offset)) ==
      MAP_FAILED)
    return fail_errno(ErrorCode::io, errno, "can't map a part of a file");
  return {};
}

Result<void> AddressArea::protect() {
  if (::mprotect(m_base, m_size, PROT_READ) < 0)
    return fail_errno(ErrorCode::io, errno, "can't protect a file in memory");
  return {};
}

} // namespace mrun
