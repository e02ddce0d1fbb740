#include <cstddef>

#include "runtime/media/image_decoders.h"

namespace mrun {
namespace {

// Bytes of a TIFF block, read with bounds; anything outside reads as 0.
class TiffReader {
 public:
  explicit TiffReader(std::string_view bytes) : m_bytes(bytes), m_little(bytes.starts_with("II")) {}

  std::uint32_t number(std::size_t at, std::size_t size) const {
    std::uint32_t value = 0;
    if (at > m_bytes.size() || m_bytes.size() - at < size) return 0;
    for (std::size_t i = 0; i < size; ++i)
      value = value << 8 | static_cast<unsigned char>(m_bytes[at + (m_little ? size - 1 - i : i)]);
    return value;
  }

 private:
  std::string_view m_bytes;
  bool m_little;
};

constexpr std::uint32_t k_orientation_tag = 0x0112;
constexpr std::uint32_t k_short = 3; // u16

} // namespace

// TIFF 6.0: byte order, 42, offset of the first directory; there, 12 bytes an entry: tag, type, count, value.
int exif_orientation(std::string_view exif) {
  if (exif.starts_with(std::string_view("Exif\0\0", 6))) exif.remove_prefix(6);
  if (!exif.starts_with("II") && !exif.starts_with("MM")) return 1;
  const TiffReader tiff(exif);
  if (tiff.number(2, 2) != 42) return 1;
  const std::size_t directory = tiff.number(4, 4);
  const std::uint32_t entries = tiff.number(directory, 2);
  for (std::uint32_t i = 0; i < entries; ++i) {
    const std::size_t entry = directory + 2 + std::size_t{12} * i;
    if (entry >= exif.size()) break;
    if (tiff.number(entry, 2) != k_orientation_tag) continue;
    const std::uint32_t value =
        tiff.number(entry + 2, 2) == k_short ? tiff.number(entry + 8, 2) : tiff.number(entry + 8, 4);
    return value >= 1 && value <= 8 ? static_cast<int>(value) : 1;
  }
  return 1;
}

} // namespace mrun
