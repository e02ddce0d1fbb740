// Bounded reads of numbers from bytes that may be anything. For the meters only.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace mrun::meters {

// What lies outside reads as nullopt; a slice is cut to what is there.
class ByteView {
 public:
  explicit ByteView(std::string_view bytes) : m_bytes(bytes) {}

  std::size_t size() const { return m_bytes.size(); }
  std::string_view text(std::size_t at, std::size_t count) const {
    return at >= m_bytes.size() ? std::string_view() : m_bytes.substr(at, count);
  }
  bool has(std::size_t at, std::string_view expected) const { return text(at, expected.size()) == expected; }
  ByteView slice(std::size_t at, std::uint64_t count) const {
    if (at >= m_bytes.size()) return ByteView({});
    return ByteView(
        m_bytes.substr(at, static_cast<std::size_t>(std::min<std::uint64_t>(count, m_bytes.size() - at))));
  }
  // `count` bytes, at most 8.
  std::optional<std::uint64_t> big(std::size_t at, std::size_t count) const {
    if (count > m_bytes.size() || at > m_bytes.size() - count) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = 0; i < count; ++i)
      value = value << 8U | byte(at + i);
    return value;
  }
  std::optional<std::uint64_t> little(std::size_t at, std::size_t count) const {
    if (count > m_bytes.size() || at > m_bytes.size() - count) return std::nullopt;
    std::uint64_t value = 0;
    for (std::size_t i = count; i-- > 0;)
      value = value << 8U | byte(at + i);
    return value;
  }
  std::string_view bytes() const { return m_bytes; }

 private:
  std::uint64_t byte(std::size_t at) const { return static_cast<unsigned char>(m_bytes[at]); }
  std::string_view m_bytes;
};

// count · 10^9 / per, rounded down: time of `count` ticks of which there are `per` a second. nullopt: no such
// clock, or more than k_max_duration_ns.
std::optional<std::int64_t> ticks_to_ns(std::uint64_t count, std::uint64_t per_second);

// A year: no output is longer, but a broken header may say so.
inline constexpr std::int64_t k_max_duration_ns = std::int64_t{366} * 24 * 3600 * 1'000'000'000;

} // namespace mrun::meters
