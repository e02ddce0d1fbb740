// Reserved address space that is filled piece by piece, with mappings of files and with bytes that are read.
#pragma once

#include <cstdint>
#include <utility>

#include "common/error.h"

namespace mrun {

std::uint64_t page_bytes();

// Move-only; unmapped by the destructor. Memory is used for written pages only.
class AddressArea {
 public:
  AddressArea() = default;
  AddressArea(AddressArea&& other) noexcept
      : m_base(std::exchange(other.m_base, nullptr)),
        m_size(std::exchange(other.m_size, 0)) {}
  AddressArea& operator=(AddressArea&& other) noexcept;
  AddressArea(const AddressArea&) = delete;
  AddressArea& operator=(const AddressArea&) = delete;
  ~AddressArea();

  // At a page's start; writable until protect(). Error: resources.
  static Result<AddressArea> reserve(std::uint64_t size);

  char* data() { return m_base; }
  std::uint64_t size() const { return m_size; }
  // Puts `length` bytes of a file, read-only, in the place of what is at `at`. `at` and `offset` are
  // multiples of the page size; so is `length`, unless it reaches the area's end. The caller has checked that
  // the file is that long.
  Result<void> map(std::uint64_t at, std::uint64_t length, int fd, std::uint64_t offset);
  // Makes all of it read-only.
  Result<void> protect();

 private:
  char* m_base = nullptr;
  std::uint64_t m_size = 0;
};

} // namespace mrun
