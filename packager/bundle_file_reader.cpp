#include "packager/bundle_file_reader.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/text.h"
#include "packager/sha256.h"

namespace mrun {

BundleFileReader::BundleFileReader(const Store& store, const BundleFile& file)
    : m_store(store),
      m_file(file) {
  m_ends.reserve(file.segments.size());
  std::uint64_t end = 0;
  for (const Segment& segment : file.segments)
    m_ends.push_back(end += segment.length); // together they are the file's size: the recipe was checked
}

Result<std::vector<Segment>> BundleFileReader::segments(std::uint64_t offset, std::uint64_t length) const {
  if (offset > m_file.size || length > m_file.size - offset)
    return fail(ErrorCode::store_corrupt,
                fmt::format("{} has {} bytes, {} at {} were asked for", printable(m_file.path.text()),
                            m_file.size, length, offset));
  std::vector<Segment> out;
  auto at = static_cast<std::size_t>(std::ranges::upper_bound(m_ends, offset) - m_ends.begin());
  for (const std::uint64_t end = offset + length; offset < end; ++at) {
    const Segment& segment = m_file.segments[at];
    const std::uint64_t skipped = offset - (m_ends[at] - segment.length);
    const std::uint64_t taken = std::min(segment.length - skipped, end - offset);
    if (taken > 0) out.push_back({segment.blob, segment.offset + skipped, taken});
    offset += taken;
  }
  return out;
}

Result<void> BundleFileReader::open(const Digest& blob) {
  if (m_open && m_open_blob == blob) return {};
  Result<UniqueFd> fd = m_store.open_blob(blob);
  if (!fd && fd.error().code == ErrorCode::model_not_found)
    return fail(ErrorCode::store_corrupt, fmt::format("blob {} is missing", blob.text()));
  if (!fd) return tl::unexpected(std::move(fd).error());
  m_open = std::move(*fd);
  m_open_blob = blob;
  return {};
}

Result<void> BundleFileReader::stream(std::uint64_t offset, std::uint64_t length, const Take& take) {
  MRUN_ASSIGN(const std::vector<Segment> parts, segments(offset, length));
  for (const Segment& part : parts) {
    MRUN_TRY(open(part.blob));
    MRUN_TRY(read_range(m_open.get(), part.offset, part.length, fmt::format("blob {}", part.blob.text()),
                        ErrorCode::store_corrupt, take));
  }
  return {};
}

Result<std::string> BundleFileReader::read(std::uint64_t offset, std::uint64_t length) {
  std::string out;
  MRUN_TRY(stream(offset, length, [&](std::string_view bytes) -> Result<void> {
    if (out.empty()) out.reserve(static_cast<std::size_t>(length)); // the stretch is inside the file
    out += bytes;
    return {};
  }));
  return out;
}

ReadAt BundleFileReader::read_at() {
  return [this](std::uint64_t offset, std::uint64_t length) { return read(offset, length); };
}

Result<Digest> hash_bundle_file(const Store& store, const BundleFile& file,
                                const std::function<void(std::uint64_t done_bytes)>& on_progress) {
  const bool whole = file.segments.size() == 1 && file.segments[0].offset == 0;
  // A segment from the start of a blob may be less than the blob.
  if (whole && store.has_blob(file.segments[0].blob, file.size)) return file.segments[0].blob;
  BundleFileReader reader(store, file);
  Sha256 hash;
  std::uint64_t done = 0;
  MRUN_TRY(reader.stream(0, file.size, [&](std::string_view bytes) -> Result<void> {
    hash.update(bytes);
    done += bytes.size();
    if (on_progress) on_progress(done);
    return {};
  }));
  return hash.finish();
}

} // namespace mrun
