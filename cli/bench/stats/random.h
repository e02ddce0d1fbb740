// Random numbers that are the same on every machine for one seed: the standard's distributions are not.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

namespace mrun::bench {

// xoshiro256** 1.0 (Blackman and Vigna, 2018), seeded by splitmix64.
class Random {
 public:
  explicit Random(std::uint64_t seed) {
    for (std::uint64_t& word : m_state) {
      seed += 0x9E3779B97F4A7C15U;
      std::uint64_t mixed = seed;
      mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9U;
      mixed = (mixed ^ (mixed >> 27)) * 0x94D049BB133111EBU;
      word = mixed ^ (mixed >> 31);
    }
  }

  std::uint64_t next() {
    const std::uint64_t result = rotate(m_state[1] * 5, 7) * 9;
    const std::uint64_t shifted = m_state[1] << 17;
    m_state[2] ^= m_state[0];
    m_state[3] ^= m_state[1];
    m_state[1] ^= m_state[2];
    m_state[0] ^= m_state[3];
    m_state[2] ^= shifted;
    m_state[3] = rotate(m_state[3], 45);
    return result;
  }
  // In [0, limit); limit < 2^32. Lemire's multiplication; its bias is below limit / 2^64.
  std::size_t below(std::size_t limit) {
    return static_cast<std::size_t>(((next() >> 32) * static_cast<std::uint64_t>(limit)) >> 32);
  }
  double uniform() { return static_cast<double>(next() >> 11) * 0x1.0p-53; } // in [0, 1)
  double exponential() { return -std::log1p(-uniform()); }                   // of mean 1
  // Standard normal, by Box and Muller's formula; one of the pair is dropped.
  double normal() {
    const double radius = std::sqrt(2 * exponential());
    return radius * std::cos(2 * 3.14159265358979323846 * uniform());
  }

 private:
  static std::uint64_t rotate(std::uint64_t value, int by) { return (value << by) | (value >> (64 - by)); }
  std::uint64_t m_state[4];
};

} // namespace mrun::bench
