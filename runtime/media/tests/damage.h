// Broken inputs for tests.
#pragma once

#include <cstdint>
#include <string>

namespace mrun::test {

// Deterministic damage: flips bits, overwrites, cuts, repeats. For tests that only ask for an orderly answer.
class Damage {
 public:
  explicit Damage(std::uint64_t seed) : m_state(seed * 2 + 1) {}
  std::size_t below(std::size_t limit) { return static_cast<std::size_t>(next() % limit); }
  static void flip(char& byte, std::size_t bit) {
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << bit));
  }
  std::string apply(std::string bytes) {
    for (std::size_t i = 0, count = 1 + below(4); i < count && !bytes.empty(); ++i)
      switch (below(5)) {
      case 0:
        flip(bytes[below(bytes.size())], below(8));
        break;
      case 1:
        bytes[below(bytes.size())] = static_cast<char>(below(256));
        break;
      case 2:
        bytes.resize(below(bytes.size() + 1));
        break;
      case 3:
        bytes.insert(below(bytes.size()), bytes.substr(below(bytes.size()), below(16)));
        break;
      default:
        bytes.replace(below(bytes.size()), below(5),
                      below(2) == 0 ? std::string(4, '\xff') : std::string(below(9), '\0'));
        break;
      }
    return bytes;
  }

 private:
  std::uint64_t next() {
    m_state ^= m_state << 13;
    m_state ^= m_state >> 7;
    m_state ^= m_state << 17;
    return m_state;
  }
  std::uint64_t m_state;
};

} // namespace mrun::test
