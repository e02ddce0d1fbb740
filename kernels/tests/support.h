// What the kernels' tests share.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

namespace mrun::kernels::test {

inline constexpr float k_inf = std::numeric_limits<float>::infinity();
inline constexpr float k_nan = std::numeric_limits<float>::quiet_NaN();

// Deterministic numbers.
class Noise {
 public:
  explicit Noise(std::uint32_t seed = 12345) : m_state(seed) {}
  std::uint32_t bits() { return (m_state = m_state * 1664525 + 1013904223) >> 8; }
  std::uint8_t byte() { return static_cast<std::uint8_t>(bits() >> 16); }
  float number(float low, float high) {
    return low + (high - low) * static_cast<float>(bits()) / static_cast<float>(1 << 24);
  }
  std::vector<float> numbers(std::size_t count, float low, float high) {
    std::vector<float> values(count);
    for (float& value : values)
      value = number(low, high);
    return values;
  }
  std::vector<std::uint8_t> bytes(std::size_t count) {
    std::vector<std::uint8_t> values(count);
    for (std::uint8_t& value : values)
      value = byte();
    return values;
  }

 private:
  std::uint32_t m_state;
};

// Equal to the last bit; any NaN is as good as another.
inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  if (a.size() != b.size()) return false;
  for (std::size_t i = 0; i < a.size(); ++i)
    if (!(std::isnan(a[i]) && std::isnan(b[i])) && std::memcmp(&a[i], &b[i], sizeof a[i]) != 0) return false;
  return true;
}

} // namespace mrun::kernels::test
