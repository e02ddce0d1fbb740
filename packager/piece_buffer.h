// Memory for the pieces of files on their way into the store. Internal to the packager.
//
// A piece is gathered here before it is written, so that what the store has already is not written at all,
// and what is written is what was hashed, whatever becomes of the file meanwhile.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "common/error.h"

namespace mrun {

// Bytes that grow up to a capacity. One thread at a time.
class PieceBuffer {
 public:
  // Forgets what it holds; then there is room for so much. Its content is not set to anything first.
  void empty(std::size_t capacity);
  std::string_view text() const { return {m_bytes.get(), m_size}; }
  // Both need room. read() gives what it added; errors: io, pack_file_changed when the file ends before.
  void append(std::string_view bytes);
  Result<std::string_view> read(int fd, std::uint64_t offset, std::size_t length);
  void drop_end(std::size_t length);

 private:
  struct Free {
    void operator()(char* bytes) const;
  };
  std::unique_ptr<char[], Free> m_bytes;
  std::size_t m_capacity = 0;
  std::size_t m_size = 0;
};

// Lends buffers and takes them back: fresh memory costs page faults. Any thread; outlives what
// it lends.
class PieceBuffers {
 public:
  // Shared, since the job that owns one must be copyable. It comes back with its last owner.
  std::shared_ptr<PieceBuffer> borrow(std::size_t capacity);

 private:
  void take_back(std::unique_ptr<PieceBuffer> buffer);

  std::mutex m_mutex;
  std::vector<std::unique_ptr<PieceBuffer>> m_free; // under m_mutex
};

} // namespace mrun
