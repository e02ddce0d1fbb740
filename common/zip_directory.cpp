#include "common/zip_directory.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include <fmt/format.h>

#include "common/limits.h"
#include "common/little_endian.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::uint32_t k_local_signature = 0x04034b50;
constexpr std::uint32_t k_central_signature = 0x02014b50;
constexpr std::uint32_t k_end_signature = 0x06054b50;
constexpr std::uint32_t k_end64_signature = 0x06064b50;
constexpr std::uint32_t k_locator64_signature = 0x07064b50;
constexpr std::uint64_t k_local_bytes = 30;
constexpr std::uint64_t k_central_bytes = 46;
constexpr std::uint64_t k_end_bytes = 22;
constexpr std::uint64_t k_end64_bytes = 56;
constexpr std::uint64_t k_locator64_bytes = 20;
constexpr std::uint64_t k_max_comment_bytes = 65535;
constexpr std::uint64_t k_max_directory_bytes = 64 * k_mib;
constexpr std::uint16_t k_flag_encrypted = 1;
constexpr std::uint32_t k_in_zip64 = 0xFFFFFFFF; // the value stands in a ZIP64 record

bool inside(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

tl::unexpected<Error> broken(std::string what) {
  return fail(ErrorCode::load_failed, "the archive is damaged: " + std::move(what));
}

// The file, of which only ranges inside of it are asked for.
struct Source {
  std::uint64_t size = 0;
  const ZipDirectory::ReadAt& read_at;

  Result<std::string> read(std::uint64_t offset, std::uint64_t length) const {
    MRUN_CHECK(inside(offset, length, size));
    MRUN_ASSIGN(std::string bytes, read_at(offset, length));
    if (bytes.size() != length) return broken("it ended while it was read");
    return bytes;
  }
};

// The end record, and where it is in the file.
struct EndRecord {
  std::uint64_t offset = 0;
  std::string bytes;
};

std::optional<EndRecord> find_end(std::string_view tail, std::uint64_t file_bytes) {
  if (tail.size() < k_end_bytes) return std::nullopt;
  for (std::uint64_t at = tail.size() - k_end_bytes + 1; at-- > 0;) {
    if (read_little_endian<std::uint32_t>(tail, at) != k_end_signature) continue;
    if (at + k_end_bytes + read_little_endian<std::uint16_t>(tail, at + 20) == tail.size())
      return EndRecord{file_bytes - tail.size() + at, std::string(tail.substr(at, k_end_bytes))};
  }
  return std::nullopt;
}

// A comment may follow the record, but hardly any archive has one.
Result<EndRecord> read_end(const Source& source) {
  for (const std::uint64_t comment_bytes : {std::uint64_t{0}, k_max_comment_bytes}) {
    const std::uint64_t length = std::min(source.size, k_end_bytes + comment_bytes);
    MRUN_ASSIGN(const std::string tail, source.read(source.size - length, length));
    if (std::optional<EndRecord> end = find_end(tail, source.size)) return std::move(*end);
  }
  return fail(ErrorCode::load_failed, "the file is not a ZIP archive");
}

struct Extent {
  std::uint64_t offset = 0; // of the central directory
  std::uint64_t size = 0;
  std::uint64_t count = 0;
};

Result<Extent> read_extent64(const Source& source, std::uint64_t end) {
  if (end < k_locator64_bytes) return broken("its ZIP64 locator is missing");
  const std::uint64_t locator_at = end - k_locator64_bytes;
  MRUN_ASSIGN(const std::string locator, source.read(locator_at, k_locator64_bytes));
  if (read_little_endian<std::uint32_t>(locator, 0) != k_locator64_signature)
    return broken("its ZIP64 locator is missing");
  const auto at = read_little_endian<std::uint64_t>(locator, 8);
  const std::string misplaced = "its ZIP64 end record is not where the locator says";
  if (!inside(at, k_end64_bytes, locator_at)) return broken(misplaced);
  MRUN_ASSIGN(const std::string record, source.read(at, k_end64_bytes));
  if (read_little_endian<std::uint32_t>(record, 0) != k_end64_signature) return broken(misplaced);
  const Extent extent{read_little_endian<std::uint64_t>(record, 48),
                      read_little_endian<std::uint64_t>(record, 40),
                      read_little_endian<std::uint64_t>(record, 32)};
  if (!inside(extent.offset, extent.size, at)) return broken("its directory lies outside of the file");
  return extent;
}

Result<Extent> read_extent(const Source& source) {
  MRUN_ASSIGN(const EndRecord end, read_end(source));
  Extent extent{read_little_endian<std::uint32_t>(end.bytes, 16),
                read_little_endian<std::uint32_t>(end.bytes, 12),
                read_little_endian<std::uint16_t>(end.bytes, 10)};
  if (extent.offset == k_in_zip64 || extent.size == k_in_zip64 || extent.count == 0xFFFF) {
    MRUN_ASSIGN(extent, read_extent64(source, end.offset));
  } else if (!inside(extent.offset, extent.size, end.offset)) {
    return broken("its directory lies outside of the file");
  }
  if (extent.count > k_max_zip_members)
    return broken(fmt::format("it has {} members, at most {} are allowed", extent.count, k_max_zip_members));
  if (extent.size > k_max_directory_bytes)
    return broken(fmt::format("its directory has {}, at most {} are allowed", format_bytes(extent.size),
                              format_bytes(k_max_directory_bytes)));
  return extent;
}

// Replaces the fields that are all ones by those of the ZIP64 extra field (id 1), in APPNOTE's order.
bool read_extra64(std::string_view extra, std::uint64_t& size, std::uint64_t& stored_size,
                  std::uint64_t& offset) {
  while (extra.size() >= 4) {
    const auto id = read_little_endian<std::uint16_t>(extra, 0);
    const std::size_t length = read_little_endian<std::uint16_t>(extra, 2);
    if (length > extra.size() - 4) return false;
    if (id == 1) {
      std::string_view field = extra.substr(4, length);
      for (std::uint64_t* value : {&size, &stored_size, &offset}) {
        if (*value != k_in_zip64) continue;
        if (field.size() < 8) return false;
        *value = read_little_endian<std::uint64_t>(field, 0);
        field.remove_prefix(8);
      }
      return true;
    }
    extra.remove_prefix(4 + length);
  }
  return size != k_in_zip64 && stored_size != k_in_zip64 && offset != k_in_zip64;
}

// The entry at the start of `directory`, which then begins with the next one. The member's data is not
// located yet.
Result<ZipMember> take_entry(std::string_view& directory) {
  if (directory.size() < k_central_bytes ||
      read_little_endian<std::uint32_t>(directory, 0) != k_central_signature)
    return broken("its directory ends early");
  const auto flags = read_little_endian<std::uint16_t>(directory, 8);
  const auto method = read_little_endian<std::uint16_t>(directory, 10);
  const std::size_t name_bytes = read_little_endian<std::uint16_t>(directory, 28);
  const std::size_t extra_bytes = read_little_endian<std::uint16_t>(directory, 30);
  const std::size_t entry_bytes =
      k_central_bytes + name_bytes + extra_bytes + read_little_endian<std::uint16_t>(directory, 32);
  if (entry_bytes > directory.size()) return broken("a directory entry is cut off");
  if (name_bytes == 0 || name_bytes > k_max_zip_name_bytes)
    return broken("a member's name is empty or too long");

  ZipMember member;
  member.name = directory.substr(k_central_bytes, name_bytes);
  member.stored = method == 0;
  member.size_bytes = read_little_endian<std::uint32_t>(directory, 20);
  member.local_offset = read_little_endian<std::uint32_t>(directory, 42);
  std::uint64_t size = read_little_endian<std::uint32_t>(directory, 24);
  const std::string_view extra = directory.substr(k_central_bytes + name_bytes, extra_bytes);
  const bool has_numbers = read_extra64(extra, size, member.size_bytes, member.local_offset);
  directory.remove_prefix(entry_bytes);

  if ((flags & k_flag_encrypted) != 0)
    return broken(fmt::format("member `{}` is encrypted", printable(member.name, 80)));
  if (!has_numbers)
    return broken(fmt::format("member `{}` has a damaged ZIP64 field", printable(member.name, 80)));
  if (member.stored && size != member.size_bytes)
    return broken(fmt::format("member `{}` is stored with {} bytes but has {}", printable(member.name, 80),
                              member.size_bytes, size));
  return member;
}

// Finds the member's data behind its local header, before `limit`.
Result<void> locate(const Source& source, std::uint64_t limit, ZipMember& member) {
  const std::uint64_t at = member.local_offset;
  const auto absent = [&] {
    return broken(fmt::format("member `{}` is not at offset {}", printable(member.name, 80), at));
  };
  const std::uint64_t header_bytes = k_local_bytes + member.name.size();
  if (!inside(at, header_bytes, limit)) return absent();
  MRUN_ASSIGN(const std::string header, source.read(at, header_bytes));
  if (read_little_endian<std::uint32_t>(header, 0) != k_local_signature) return absent();
  if (read_little_endian<std::uint16_t>(header, 26) != member.name.size() ||
      std::string_view(header).substr(k_local_bytes) != member.name)
    return broken(
        fmt::format("member `{}` has another name in its local header", printable(member.name, 80)));
  member.offset = at + header_bytes + read_little_endian<std::uint16_t>(header, 28);
  if (!inside(member.offset, member.size_bytes, limit))
    return broken(fmt::format("member `{}` of {} bytes lies outside of the file", printable(member.name, 80),
                              member.size_bytes));
  return {};
}

// Indices of `members`, sorted by what `key` gives.
template<class Key>
std::vector<std::uint32_t> sorted_by(const std::vector<ZipMember>& members, Key key) {
  std::vector<std::uint32_t> order(members.size());
  std::iota(order.begin(), order.end(), 0U);
  std::ranges::sort(order, {}, [&](std::uint32_t i) -> const auto& { return members[i].*key; });
  return order;
}

Result<void> check_overlaps(const std::vector<ZipMember>& members) {
  const std::vector<std::uint32_t> order = sorted_by(members, &ZipMember::local_offset);
  for (std::size_t i = 1; i < order.size(); ++i) {
    const ZipMember& before = members[order[i - 1]];
    const ZipMember& member = members[order[i]];
    if (member.local_offset < before.offset + before.size_bytes)
      return broken(fmt::format("members `{}` and `{}` overlap", printable(before.name, 80),
                                printable(member.name, 80)));
  }
  return {};
}

} // namespace

Result<ZipDirectory> ZipDirectory::read(std::uint64_t file_bytes, const ReadAt& read_at) {
  const Source source{file_bytes, read_at};
  MRUN_ASSIGN(const Extent extent, read_extent(source));
  MRUN_ASSIGN(const std::string bytes, source.read(extent.offset, extent.size));
  std::string_view rest = bytes;
  ZipDirectory directory;
  directory.m_members.reserve(std::min(extent.count, extent.size / k_central_bytes));
  for (std::uint64_t i = 0; i < extent.count; ++i) {
    MRUN_ASSIGN(ZipMember member, take_entry(rest));
    MRUN_TRY(locate(source, extent.offset, member));
    directory.m_members.push_back(std::move(member));
  }
  MRUN_TRY(check_overlaps(directory.m_members));

  directory.m_by_name = sorted_by(directory.m_members, &ZipMember::name);
  for (std::size_t i = 1; i < directory.m_by_name.size(); ++i) {
    const std::string& name = directory.m_members[directory.m_by_name[i]].name;
    if (name == directory.m_members[directory.m_by_name[i - 1]].name)
      return broken(fmt::format("member `{}` is there twice", printable(name, 80)));
  }
  return directory;
}

const ZipMember* ZipDirectory::find(std::string_view name) const {
  const auto found = std::ranges::lower_bound(
      m_by_name, name, {}, [&](std::uint32_t i) -> std::string_view { return m_members[i].name; });
  return found != m_by_name.end() && m_members[*found].name == name ? &m_members[*found] : nullptr;
}

} // namespace mrun
