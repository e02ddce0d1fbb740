// The directory of a ZIP archive: which members it has and where their bytes lie. No member's bytes are read.
//
// The reader takes nothing on trust: every offset and size is checked against the file, members may not
// overlap, and each local header must agree with the central directory (APPNOTE.TXT 6.3.10, §4.3, ZIP64
// included). PyTorch stores its archives uncompressed and aligned, so a stored member can be used where it
// is.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun {

inline constexpr std::size_t k_max_zip_members = 200'000;
inline constexpr std::size_t k_max_zip_name_bytes = 1024;

struct ZipMember {
  std::string name;               // as written, for example `model/data/weights/weight_0`
  std::uint64_t offset = 0;       // of its data, from the file's start
  std::uint64_t size_bytes = 0;   // in the file, so the compressed size when `stored` is false
  bool stored = true;             // uncompressed
  std::uint64_t local_offset = 0; // of its local header
};

// Immutable; any thread.
class ZipDirectory {
 public:
  // Exactly `length` bytes at `offset`, both inside the file.
  using ReadAt = std::function<Result<std::string>(std::uint64_t offset, std::uint64_t length)>;

  // Reads up to 64 KiB at the end of the file, the central directory at once (up to 64 MiB), and 30 bytes and
  // the name of each member's local header. Errors: load_failed (not a ZIP archive, or one that breaks a rule
  // above; the message says which), those of `read_at`.
  static Result<ZipDirectory> read(std::uint64_t file_bytes, const ReadAt& read_at);

  // In the order of the central directory; no two have the same name.
  std::span<const ZipMember> members() const { return m_members; }
  const ZipMember* find(std::string_view name) const; // nullptr when there is none of that name

 private:
  std::vector<ZipMember> m_members;
  std::vector<std::uint32_t> m_by_name; // indices of m_members, sorted by name
};

} // namespace mrun
