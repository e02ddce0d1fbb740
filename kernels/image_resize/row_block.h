// Rows of a picture, so that 16 bytes may be read at each of their pixels.
#pragma once

#include <array>
#include <cstring>
#include <memory>

#include "kernels/image_resize/passes.h"

namespace mrun::kernels {

inline constexpr std::size_t k_read_bytes = 16;

// Four rows of the input of a horizontal pass, the last one repeated where there are fewer. Rows near the end
// of the memory are read from copies with room behind them.
class RowBlock {
 public:
  explicit RowBlock(const HorizontalPass& pass)
      : m_pass(pass),
        m_used(static_cast<std::size_t>(pass.axis->in_end()) * static_cast<std::size_t>(pass.channels)) {}

  std::array<const std::uint8_t*, 4> rows(int begin) {
    std::array<const std::uint8_t*, 4> all{};
    for (int i = 0; i < 4; ++i) {
      const int row = begin + i < m_pass.rows ? begin + i : m_pass.rows - 1;
      all[static_cast<std::size_t>(i)] = readable(row, static_cast<std::size_t>(i));
    }
    return all;
  }

 private:
  const std::uint8_t* readable(int row, std::size_t slot) {
    const std::uint8_t* data = m_pass.in.data + static_cast<std::size_t>(row) * m_pass.in.row_bytes;
    if (static_cast<std::size_t>(m_pass.in.end - data) >= m_used + k_read_bytes) return data;
    const std::size_t room = m_used + k_read_bytes;
    if (m_copies == nullptr) m_copies = std::make_unique<std::uint8_t[]>(4 * room);
    std::memcpy(m_copies.get() + slot * room, data, m_used);
    return m_copies.get() + slot * room;
  }

  const HorizontalPass& m_pass;
  std::size_t m_used; // bytes of a row that have weights
  std::unique_ptr<std::uint8_t[]> m_copies;
};

} // namespace mrun::kernels
