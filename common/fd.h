// Owners of kernel objects: descriptors and mappings. Move-only; closed by the destructor.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "common/error.h"

namespace mrun {

class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : m_fd(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : m_fd(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(other.release());
    return *this;
  }
  UniqueFd(const UniqueFd&) = delete;
  UniqueFd& operator=(const UniqueFd&) = delete;
  ~UniqueFd() { reset(); }

  int get() const { return m_fd; }
  explicit operator bool() const { return m_fd >= 0; }
  int release() { return std::exchange(m_fd, -1); }
  void reset(int fd = -1);

 private:
  int m_fd = -1;
};

// A read-only private mapping of a part of a file.
class Mapping {
 public:
  Mapping() = default;
  Mapping(Mapping&& other) noexcept
      : m_base(std::exchange(other.m_base, nullptr)),
        m_mapped_bytes(std::exchange(other.m_mapped_bytes, 0)),
        m_data(std::exchange(other.m_data, nullptr)),
        m_size(std::exchange(other.m_size, 0)) {}
  Mapping& operator=(Mapping&& other) noexcept;
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping();

  // Maps `length` bytes from `offset` (any offset: the page is rounded down). Length 0 gives an empty
  // mapping. The caller has checked that the file is that long; a file cut later raises SIGBUS on access.
  static Result<Mapping> map(int fd, std::uint64_t offset, std::size_t length);

  std::span<const std::byte> bytes() const { return {m_data, m_size}; }
  std::string_view text() const { return {reinterpret_cast<const char*>(m_data), m_size}; }

 private:
  void* m_base = nullptr;
  std::size_t m_mapped_bytes = 0;
  const std::byte* m_data = nullptr;
  std::size_t m_size = 0;
};

// Reads to the end, at most `limit` bytes; more is an error (code `too_large`).
Result<std::string> read_all(int fd, std::size_t limit, std::string_view what, ErrorCode too_large);
Result<std::string> read_file(const std::string& path, std::size_t limit, ErrorCode missing,
                              ErrorCode too_large);
// Gives `length` bytes of an open file from `offset` to `take`, in order and in pieces of up to 1 MiB.
// Errors: io, `too_short` when the file ends before, those of `take`.
Result<void> read_range(int fd, std::uint64_t offset, std::uint64_t length, std::string_view what,
                        ErrorCode too_short, const std::function<Result<void>(std::string_view)>& take);
// The same as one string; the caller knows that it is small enough for memory.
Result<std::string> read_part(int fd, std::uint64_t offset, std::uint64_t length, std::string_view what,
                              ErrorCode too_short);
// Writes all of it, over short writes and EINTR.
Result<void> write_all(int fd, std::string_view bytes, std::string_view what);
Result<void> set_nonblocking(int fd);
// A memfd filled with `bytes` and sealed against any change (F_SEAL_SHRINK|GROW|WRITE|SEAL); offset at 0.
Result<UniqueFd> sealed_memfd(std::string_view name, std::string_view bytes);
// The same with what `fill` writes to it. Errors: also those of `fill`.
Result<UniqueFd> sealed_memfd(std::string_view name, const std::function<Result<void>(int fd)>& fill);
// The size of an open file; error for what is not a regular file or memfd.
Result<std::uint64_t> file_size(int fd, std::string_view what);

} // namespace mrun
