#include "runtime/segment_file.h"

#include <algorithm>
#include <cstring>
#include <unordered_map>

#include <fcntl.h>
#include <fmt/format.h>

#include "common/fs.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

// Below this, a part is taken out of its blob's one mapping: opening the blob again would cost more than
// copying, and the kernel allows a process 65,530 mappings.
constexpr std::uint64_t k_small_bytes = 64 * k_kib;

std::uint64_t round_down(std::uint64_t value, std::uint64_t unit) {
  return value - value % unit;
}

std::uint64_t round_up(std::uint64_t value, std::uint64_t unit) {
  return round_down(value + unit - 1, unit);
}

} // namespace

SegmentFile::SegmentFile(int blobs, std::string name, std::uint64_t size,
                         const std::vector<DoorSegment>& segments)
    : m_blobs_fd(blobs),
      m_name(std::move(name)),
      m_size(size) {
  std::unordered_map<Digest, std::size_t> known;
  std::uint64_t begin = 0;
  m_segments.reserve(segments.size());
  for (const DoorSegment& segment : segments) {
    const std::uint64_t end = segment.offset + segment.length;
    const auto [found, is_new] = known.emplace(segment.blob, m_blobs.size());
    if (is_new) m_blobs.push_back({segment.blob, segment.offset, end, {}});
    Blob& blob = m_blobs[found->second];
    blob.begin = std::min(blob.begin, segment.offset);
    blob.end = std::max(blob.end, end);
    m_segments.push_back({begin, segment.offset, found->second});
    begin += segment.length;
  }
}

std::size_t SegmentFile::segment_at(std::uint64_t offset) const {
  const auto behind = std::ranges::upper_bound(m_segments, offset, {}, &Segment::begin);
  return static_cast<std::size_t>(behind - m_segments.begin()) - 1;
}

std::uint64_t SegmentFile::end_of(std::size_t segment) const {
  return segment + 1 < m_segments.size() ? m_segments[segment + 1].begin : m_size;
}

std::vector<SegmentFile::Part> SegmentFile::parts_of(std::uint64_t offset, std::uint64_t length) const {
  std::vector<Part> parts;
  const std::uint64_t end = offset + length;
  for (std::size_t i = segment_at(offset); offset < end; ++i) {
    const Segment& segment = m_segments[i];
    const std::uint64_t part_end = std::min(end, end_of(i));
    parts.push_back({segment.blob, segment.offset + (offset - segment.begin), part_end - offset});
    offset = part_end;
  }
  return parts;
}

Result<std::string_view> SegmentFile::span(std::uint64_t offset, std::uint64_t length) const {
  MRUN_TRY(check_range(offset, length));
  if (length == 0) return std::string_view(""); // no segment, but a pointer all the same
  const std::scoped_lock lock(m_mutex);
  const std::size_t first = segment_at(offset);
  const Segment& segment = m_segments[first];
  if (offset + length <= end_of(first))
    return mapped({segment.blob, segment.offset + (offset - segment.begin), length});
  const std::pair range(offset, length);
  if (const auto found = m_joined.find(range); found != m_joined.end()) return found->second.view;
  MRUN_ASSIGN(Joined joined, join(parts_of(offset, length), length));
  return m_joined.emplace(range, std::move(joined)).first->second.view;
}

Result<UniqueFd> SegmentFile::open() const {
  if (m_segments.size() == 1 && m_segments[0].offset == 0) {
    MRUN_ASSIGN(UniqueFd fd, open_blob(m_blobs[0]));
    MRUN_ASSIGN(const std::uint64_t blob_size, file_size(fd.get(), "a blob"));
    if (blob_size == m_size) return fd;
  }
  const std::scoped_lock lock(m_mutex);
  return sealed_memfd("mrun-file", [this](int memory) -> Result<void> {
    if (m_size == 0) return {};
    for (const Part& part : parts_of(0, m_size))
      MRUN_TRY(
          read(part, [memory](std::string_view bytes) { return write_all(memory, bytes, "a memory file"); }));
    return {};
  });
}

// Opens and checks that the blob reaches as far as the segments say: later accesses can't run off its end.
Result<UniqueFd> SegmentFile::open_blob(const Blob& blob) const {
  auto fd = real_file_system().open(m_blobs_fd, blob.digest.hex(), O_RDONLY | O_CLOEXEC, 0);
  if (!fd)
    return fail(ErrorCode::load_failed,
                fmt::format("blob {} of `{}` can't be opened: {}", blob.digest.short_hex(), printable(m_name),
                            fd.error().message));
  MRUN_ASSIGN(const std::uint64_t size, file_size(fd->get(), "blob " + blob.digest.short_hex()));
  if (blob.end > size)
    return fail(ErrorCode::load_failed,
                fmt::format("blob {} has {} bytes, `{}` needs {}+{}", blob.digest.short_hex(), size,
                            printable(m_name), blob.begin, blob.end - blob.begin));
  return std::move(*fd);
}

Result<std::string_view> SegmentFile::mapped(const Part& part) const {
  Blob& blob = m_blobs[part.blob];
  if (blob.mapping.bytes().empty()) {
    MRUN_ASSIGN(const UniqueFd fd, open_blob(blob));
    MRUN_ASSIGN(blob.mapping, Mapping::map(fd.get(), blob.begin, blob.end - blob.begin));
  }
  return blob.mapping.text().substr(part.offset - blob.begin, part.length);
}

// The largest part decides where the area's pages fall on its blob's. The pieces of a tensor all fall there
// then, wherever the tensor lies in the file: each begins its blob, and has whole pages, but for the last.
Result<SegmentFile::Joined> SegmentFile::join(const std::vector<Part>& parts, std::uint64_t length) const {
  Joined joined;
  if (length <= k_small_bytes) {
    joined.heap = std::make_unique_for_overwrite<char[]>(length);
    char* to = joined.heap.get();
    joined.view = {to, length};
    for (const Part& part : parts) {
      MRUN_TRY(copy(part, to));
      to += part.length;
    }
    return joined;
  }
  std::uint64_t at = 0, place_of_largest = 0;
  const Part* largest = &parts.front();
  for (const Part& part : parts) {
    if (part.length > largest->length) {
      largest = &part;
      place_of_largest = at;
    }
    at += part.length;
  }
  at = (largest->offset - place_of_largest) % page_bytes();
  MRUN_ASSIGN(joined.area, AddressArea::reserve(at + length));
  joined.view = {joined.area.data() + at, length};
  for (const Part& part : parts) {
    MRUN_TRY(place(part, joined.area, at, &part == &parts.front(), &part == &parts.back()));
    at += part.length;
  }
  MRUN_TRY(joined.area.protect());
  return joined;
}

// Maps the part's whole pages, and copies what is left of it at its ends. What shares a page with the range's
// own begin and end belongs to nobody, so the first and the last part have no such ends there.
Result<void> SegmentFile::place(const Part& part, AddressArea& area, std::uint64_t at, bool is_first,
                                bool is_last) const {
  const std::uint64_t page = page_bytes(), part_end = at + part.length;
  const std::uint64_t begin = is_first ? round_down(at, page) : round_up(at, page);
  const std::uint64_t end = is_last ? part_end : round_down(part_end, page);
  const bool is_congruent = (part.offset - at) % page == 0;
  if (!is_congruent || end < begin + k_small_bytes) return copy(part, area.data() + at);
  MRUN_ASSIGN(const UniqueFd fd, open_blob(m_blobs[part.blob]));
  MRUN_TRY(area.map(begin, end - begin, fd.get(), part.offset + begin - at));
  if (begin > at) MRUN_TRY(copy({part.blob, part.offset, begin - at}, area.data() + at));
  if (end < part_end)
    MRUN_TRY(copy({part.blob, part.offset + (end - at), part_end - end}, area.data() + end));
  return {};
}

Result<void> SegmentFile::copy(const Part& part, char* to) const {
  return read(part, [&to](std::string_view bytes) -> Result<void> {
    std::memcpy(to, bytes.data(), bytes.size());
    to += bytes.size();
    return {};
  });
}

Result<void> SegmentFile::read(const Part& part,
                               const std::function<Result<void>(std::string_view)>& take) const {
  if (part.length < k_small_bytes) {
    MRUN_ASSIGN(const std::string_view bytes, mapped(part));
    return take(bytes);
  }
  const Blob& blob = m_blobs[part.blob];
  MRUN_ASSIGN(const UniqueFd fd, open_blob(blob));
  return read_range(fd.get(), part.offset, part.length, "blob " + blob.digest.short_hex(),
                    ErrorCode::load_failed, take);
}

} // namespace mrun
