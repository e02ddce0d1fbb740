// Content-defined cutting: where a file is cut follows from the bytes around the cut, so that an insertion
// moves no other cut (gear hash: Xia et al., "FastCDC", USENIX ATC 2016).
#pragma once

#include <cstdint>
#include <string_view>

namespace mrun {

struct ChunkSizes {
  std::uint64_t least_bytes;
  std::uint64_t most_bytes;
  int mask_bits; // on average, a chunk has 2^mask_bits bytes more than the least
};

// Finds the cuts of one stretch of bytes that comes piece by piece.
class ContentCutter {
 public:
  explicit ContentCutter(ChunkSizes sizes);

  // How many of `bytes` still belong to the present chunk. Less than all: the chunk ends there, and the next
  // call goes on behind it.
  std::size_t take(std::string_view bytes, bool& ends);

 private:
  ChunkSizes m_sizes;
  std::uint64_t m_mask;
  std::uint64_t m_hash = 0;
  std::uint64_t m_length = 0; // of the present chunk
};

} // namespace mrun
