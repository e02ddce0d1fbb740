// A ZIP archive in memory, read in place.
//
// PyTorch stores its archives uncompressed and aligned, so that a member's bytes can be used where they are
// mapped. The reader takes nothing on trust: every offset and size is checked against the file, members may
// not overlap, and each local header must agree with the central directory (APPNOTE.TXT 6.3.10, §4.3, ZIP64
// included).
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "common/error.h"

namespace mrun::torch_engine {

inline constexpr std::size_t k_max_archive_members = 200'000;
inline constexpr std::size_t k_max_member_name_bytes = 1024;

struct ArchiveMember {
  std::string_view name;  // as written, for example `model/data/weights/weight_0`
  std::string_view bytes; // in place; compressed bytes when `stored` is false
  bool stored = true;     // uncompressed
};

// Immutable; views into the bytes it was opened on, which must outlive it. Any thread.
class Archive {
 public:
  // Error load_failed: not a ZIP archive, or one that breaks a rule above; the message says which.
  static Result<Archive> open(std::string_view bytes);

  std::span<const ArchiveMember> members() const {
    return m_members;
  } // in the order of the central directory
  // nullptr when there is none of that name.
  const ArchiveMember* find(std::string_view name) const;
  // The bytes of a stored member. Error load_failed when it is missing or compressed.
  Result<std::string_view> stored_bytes(std::string_view name) const;

 private:
  std::vector<ArchiveMember> m_members;
  std::unordered_map<std::string_view, std::size_t> m_index;
};

} // namespace mrun::torch_engine
