#include "runtime/engines/torch/archive.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::torch_engine {
namespace {

constexpr std::uint32_t k_local_signature = 0x04034b50;
constexpr std::uint32_t k_central_signature = 0x02014b50;
constexpr std::uint32_t k_end_signature = 0x06054b50;
constexpr std::uint32_t k_end64_signature = 0x06064b50;
constexpr std::uint32_t k_locator64_signature = 0x07064b50;
constexpr std::size_t k_local_bytes = 30;
constexpr std::size_t k_central_bytes = 46;
constexpr std::size_t k_end_bytes = 22;
constexpr std::size_t k_end64_bytes = 56;
constexpr std::size_t k_locator64_bytes = 20;
constexpr std::size_t k_max_comment_bytes = 65535;
constexpr std::uint16_t k_flag_encrypted = 1;

// Little-endian number at `offset`, which the caller has checked.
template<class T>
T read(std::string_view bytes, std::uint64_t offset) {
  T value;
  std::memcpy(&value, bytes.data() + offset, sizeof(T));
  return value; // ZIP is little-endian, as is every machine that mrun runs on
}

bool inside(std::uint64_t offset, std::uint64_t length, std::uint64_t size) {
  return offset <= size && length <= size - offset;
}

tl::unexpected<Error> broken(std::string what) {
  return fail(ErrorCode::load_failed, "the archive is damaged: " + std::move(what));
}

struct Directory {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
  std::uint64_t count = 0;
};

std::optional<std::uint64_t> find_end(std::string_view bytes) {
  if (bytes.size() < k_end_bytes) return std::nullopt;
  const std::uint64_t last = bytes.size() - k_end_bytes;
  const std::uint64_t first = last > k_max_comment_bytes ? last - k_max_comment_bytes : 0;
  for (std::uint64_t offset = last + 1; offset-- > first;) {
    if (read<std::uint32_t>(bytes, offset) != k_end_signature) continue;
    if (offset + k_end_bytes + read<std::uint16_t>(bytes, offset + 20) == bytes.size()) return offset;
  }
  return std::nullopt;
}

Result<Directory> find_directory(std::string_view bytes) {
  const std::optional<std::uint64_t> end = find_end(bytes);
  if (!end) return fail(ErrorCode::load_failed, "the model file is not a zip archive");
  Directory directory{read<std::uint32_t>(bytes, *end + 16), read<std::uint32_t>(bytes, *end + 12),
                      read<std::uint16_t>(bytes, *end + 10)};
  std::uint64_t limit = *end;
  const bool large =
      directory.offset == 0xFFFFFFFF || directory.size == 0xFFFFFFFF || directory.count == 0xFFFF;
  if (large) {
    if (*end < k_locator64_bytes ||
        read<std::uint32_t>(bytes, *end - k_locator64_bytes) != k_locator64_signature)
      return broken("its ZIP64 locator is missing");
    const auto at = read<std::uint64_t>(bytes, *end - k_locator64_bytes + 8);
    if (!inside(at, k_end64_bytes, *end - k_locator64_bytes) ||
        read<std::uint32_t>(bytes, at) != k_end64_signature)
      return broken("its ZIP64 end record is not where the locator says");
    directory = {read<std::uint64_t>(bytes, at + 48), read<std::uint64_t>(bytes, at + 40),
                 read<std::uint64_t>(bytes, at + 32)};
    limit = at;
  }
  if (!inside(directory.offset, directory.size, limit))
    return broken("its directory lies outside of the file");
  if (directory.count > k_max_archive_members)
    return broken(
        fmt::format("it has {} members, at most {} are allowed", directory.count, k_max_archive_members));
  return directory;
}

// One entry of the central directory.
struct Entry {
  ArchiveMember member;
  std::uint64_t local_offset = 0;
  std::uint64_t stored_size = 0;
  std::uint64_t data_end = 0;
  std::uint64_t directory_bytes = 0; // how far the next entry is
};

// Replaces the fields that are all ones by those of the ZIP64 extra field (id 1), in APPNOTE's order.
bool read_extra64(std::string_view extra, std::uint64_t& size, std::uint64_t& stored_size,
                  std::uint64_t& offset) {
  while (extra.size() >= 4) {
    const auto id = read<std::uint16_t>(extra, 0);
    const std::size_t length = read<std::uint16_t>(extra, 2);
    if (length > extra.size() - 4) return false;
    if (id == 1) {
      std::string_view field = extra.substr(4, length);
      for (std::uint64_t* value : {&size, &stored_size, &offset}) {
        if (*value != 0xFFFFFFFF) continue;
        if (field.size() < 8) return false;
        *value = read<std::uint64_t>(field, 0);
        field.remove_prefix(8);
      }
      return true;
    }
    extra.remove_prefix(4 + length);
  }
  return size != 0xFFFFFFFF && stored_size != 0xFFFFFFFF && offset != 0xFFFFFFFF;
}

Result<Entry> read_entry(std::string_view bytes, std::uint64_t at, std::uint64_t directory_end) {
  if (!inside(at, k_central_bytes, directory_end) || read<std::uint32_t>(bytes, at) != k_central_signature)
    return broken("its directory ends early");
  const auto flags = read<std::uint16_t>(bytes, at + 8);
  const auto method = read<std::uint16_t>(bytes, at + 10);
  const std::size_t name_bytes = read<std::uint16_t>(bytes, at + 28);
  const std::size_t extra_bytes = read<std::uint16_t>(bytes, at + 30);
  const std::size_t comment_bytes = read<std::uint16_t>(bytes, at + 32);
  Entry entry;
  entry.directory_bytes = k_central_bytes + name_bytes + extra_bytes + comment_bytes;
  if (!inside(at, entry.directory_bytes, directory_end)) return broken("a directory entry is cut off");
  entry.member.name = bytes.substr(at + k_central_bytes, name_bytes);
  const std::string shown = printable(entry.member.name, 80);
  if (name_bytes == 0 || name_bytes > k_max_member_name_bytes)
    return broken("a member's name is empty or too long");
  if (flags & k_flag_encrypted) return broken(fmt::format("member `{}` is encrypted", shown));

  entry.stored_size = read<std::uint32_t>(bytes, at + 20);
  std::uint64_t size = read<std::uint32_t>(bytes, at + 24);
  entry.local_offset = read<std::uint32_t>(bytes, at + 42);
  if (!read_extra64(bytes.substr(at + k_central_bytes + name_bytes, extra_bytes), size, entry.stored_size,
                    entry.local_offset))
    return broken(fmt::format("member `{}` has a damaged ZIP64 field", shown));
  entry.member.stored = method == 0;
  if (entry.member.stored && size != entry.stored_size)
    return broken(
        fmt::format("member `{}` is stored with {} bytes but has {}", shown, entry.stored_size, size));
  return entry;
}

// Finds the member's bytes behind its local header, before `limit`.
Result<void> locate(std::string_view bytes, std::uint64_t limit, Entry& entry) {
  const std::string shown = printable(entry.member.name, 80);
  const std::uint64_t at = entry.local_offset;
  if (!inside(at, k_local_bytes, limit) || read<std::uint32_t>(bytes, at) != k_local_signature)
    return broken(fmt::format("member `{}` is not at offset {}", shown, at));
  const std::uint64_t name_bytes = read<std::uint16_t>(bytes, at + 26);
  const std::uint64_t data = at + k_local_bytes + name_bytes + read<std::uint16_t>(bytes, at + 28);
  if (!inside(data, entry.stored_size, limit))
    return broken(fmt::format("member `{}` of {} bytes lies outside of the file", shown, entry.stored_size));
  if (bytes.substr(at + k_local_bytes, name_bytes) != entry.member.name)
    return broken(fmt::format("member `{}` has another name in its local header", shown));
  entry.member.bytes = bytes.substr(data, entry.stored_size);
  entry.data_end = data + entry.stored_size;
  return {};
}

Result<void> check_overlaps(const std::vector<Entry>& entries) {
  std::vector<const Entry*> sorted;
  sorted.reserve(entries.size());
  for (const Entry& entry : entries)
    sorted.push_back(&entry);
  std::ranges::sort(sorted, {}, [](const Entry* entry) { return entry->local_offset; });
  for (std::size_t i = 1; i < sorted.size(); ++i)
    if (sorted[i]->local_offset < sorted[i - 1]->data_end)
      return broken(fmt::format("members `{}` and `{}` overlap", printable(sorted[i - 1]->member.name, 80),
                                printable(sorted[i]->member.name, 80)));
  return {};
}

} // namespace

Result<Archive> Archive::open(std::string_view bytes) {
  MRUN_ASSIGN(const Directory directory, find_directory(bytes));
  std::vector<Entry> entries;
  entries.reserve(directory.count);
  std::uint64_t at = directory.offset;
  for (std::uint64_t i = 0; i < directory.count; ++i) {
    MRUN_ASSIGN(Entry entry, read_entry(bytes, at, directory.offset + directory.size));
    MRUN_TRY(locate(bytes, directory.offset, entry));
    at += entry.directory_bytes;
    entries.push_back(entry);
  }
  MRUN_TRY(check_overlaps(entries));

  Archive archive;
  archive.m_members.reserve(entries.size());
  for (const Entry& entry : entries) {
    if (!archive.m_index.emplace(entry.member.name, archive.m_members.size()).second)
      return broken(fmt::format("member `{}` is there twice", printable(entry.member.name, 80)));
    archive.m_members.push_back(entry.member);
  }
  return archive;
}

const ArchiveMember* Archive::find(std::string_view name) const {
  const auto found = m_index.find(name);
  return found == m_index.end() ? nullptr : &m_members[found->second];
}

Result<std::string_view> Archive::stored_bytes(std::string_view name) const {
  const ArchiveMember* member = find(name);
  if (member == nullptr) return broken(fmt::format("member `{}` is missing", printable(name, 120)));
  if (!member->stored) return broken(fmt::format("member `{}` is compressed", printable(name, 120)));
  return member->bytes;
}

} // namespace mrun::torch_engine
