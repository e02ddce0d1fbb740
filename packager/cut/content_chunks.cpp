#include "packager/cut/content_chunks.h"

#include <algorithm>
#include <array>

namespace mrun {
namespace {

constexpr std::uint64_t k_window_bytes = 64; // the hash forgets a byte after 64 more

// 256 numbers of splitmix64 (Vigna, public domain), seeded by 0. They are a part of the bundle's format.
constexpr std::array<std::uint64_t, 256> make_gear() {
  std::array<std::uint64_t, 256> table{};
  std::uint64_t state = 0;
  for (std::uint64_t& entry : table) {
    state += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = state;
    mixed = (mixed ^ (mixed >> 30)) * 0xbf58476d1ce4e5b9;
    mixed = (mixed ^ (mixed >> 27)) * 0x94d049bb133111eb;
    entry = mixed ^ (mixed >> 31);
  }
  return table;
}
constexpr std::array<std::uint64_t, 256> k_gear = make_gear();

} // namespace

// The high bits hold the whole window, the low ones only its end.
ContentCutter::ContentCutter(ChunkSizes sizes)
    : m_sizes(sizes),
      m_mask(((1ULL << sizes.mask_bits) - 1) << (64 - sizes.mask_bits)) {}

std::size_t ContentCutter::take(std::string_view bytes, bool& ends) {
  ends = false;
  std::size_t at = 0;
  // Nothing is cut before the least length, so only the window before it needs a look.
  const std::uint64_t blind = m_sizes.least_bytes - std::min(m_sizes.least_bytes, k_window_bytes);
  if (m_length < blind) {
    at = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), blind - m_length));
    m_length += at;
  }
  const std::size_t limit =
      static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), at + (m_sizes.most_bytes - m_length)));
  std::uint64_t hash = m_hash;
  while (at < limit) {
    hash = (hash << 1) + k_gear[static_cast<unsigned char>(bytes[at++])];
    ++m_length;
    if ((hash & m_mask) == 0 && m_length >= m_sizes.least_bytes) {
      ends = true;
      break;
    }
  }
  m_hash = hash;
  if (m_length == m_sizes.most_bytes) ends = true;
  if (ends) m_length = m_hash = 0;
  return at;
}

} // namespace mrun
