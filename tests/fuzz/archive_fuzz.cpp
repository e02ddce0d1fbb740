// tar archives, plain and compressed: names are paths, sizes are true, and a small archive stays small.
#include <algorithm>

#include "packager/archive/archive_reader.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

constexpr ArchiveLimits k_limits = {.max_bytes = 1 * k_mib, .max_entries = 100};
constexpr std::size_t k_piece_bytes = 700;

ArchiveSource in_pieces(std::string_view bytes) {
  return [bytes]() mutable -> Result<std::string_view> {
    const std::string_view piece = bytes.substr(0, k_piece_bytes);
    bytes.remove_prefix(piece.size());
    return piece;
  };
}

Result<std::uint64_t> read_file(ArchiveReader& archive) {
  std::uint64_t sum = 0;
  while (true) {
    MRUN_ASSIGN(const std::string_view bytes, archive.read());
    if (bytes.empty()) return sum;
    sum += bytes.size();
  }
}

Result<void> read_all(std::string_view bytes, ArchiveCompression compression) {
  MRUN_ASSIGN(ArchiveReader archive, ArchiveReader::open(in_pieces(bytes), compression, k_limits));
  std::uint64_t total = 0;
  for (std::size_t entries = 0;; ++entries) {
    MRUN_ASSIGN(const std::optional<ArchiveEntry> entry, archive.next());
    if (!entry) return {};
    MRUN_CHECK(entries < k_limits.max_entries);
    fuzz::check_path(entry->path);
    MRUN_CHECK(entry->mode == 0644 || entry->mode == 0755);
    if (entries % 2 == 1) continue; // passed over
    MRUN_ASSIGN(const std::uint64_t got, read_file(archive));
    MRUN_CHECK(got == entry->size_bytes);
    total += got;
    MRUN_CHECK(total <= k_limits.max_bytes);
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::text_of(data, size);
  const ArchiveCompression compression = bytes.starts_with("\x1f\x8b")   ? ArchiveCompression::gzip
                                         : bytes.starts_with("\x28\xb5") ? ArchiveCompression::zstd
                                                                         : ArchiveCompression::none;
  if (const auto read = read_all(bytes, compression); !read) fuzz::check_error(read.error());
  return 0;
}
