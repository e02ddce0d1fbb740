#include "packager/piece_buffer.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/limits.h"

namespace mrun {
namespace {

// Whatever is asked for first, so that the next one need not ask for more. Only what is used takes memory.
constexpr std::size_t k_least_capacity = 64 * k_mib;
constexpr std::size_t k_huge_page_bytes = 2 * k_mib; // one fault in place of 512

} // namespace

void PieceBuffer::Free::operator()(char* bytes) const {
  std::free(bytes);
}

void PieceBuffer::empty(std::size_t capacity) {
  m_size = 0;
  if (capacity <= m_capacity) return;
  m_bytes.reset(); // the old memory first
  m_capacity = std::max(k_least_capacity, (capacity + k_huge_page_bytes - 1) & ~(k_huge_page_bytes - 1));
  m_bytes.reset(static_cast<char*>(std::aligned_alloc(k_huge_page_bytes, m_capacity)));
  MRUN_CHECK(m_bytes != nullptr);
  ::madvise(m_bytes.get(), m_capacity, MADV_HUGEPAGE); // a wish
}

void PieceBuffer::append(std::string_view bytes) {
  MRUN_CHECK(bytes.size() <= m_capacity - m_size);
  std::memcpy(m_bytes.get() + m_size, bytes.data(), bytes.size());
  m_size += bytes.size();
}

Result<std::string_view> PieceBuffer::read(int fd, std::uint64_t offset, std::size_t length) {
  MRUN_CHECK(length <= m_capacity - m_size);
  const std::size_t begin = m_size;
  while (m_size < begin + length) {
    const ssize_t got = ::pread(fd, m_bytes.get() + m_size, begin + length - m_size,
                                static_cast<off_t>(offset + (m_size - begin)));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return fail_errno(ErrorCode::io, errno, "can't read it");
    if (got == 0)
      return fail(ErrorCode::pack_file_changed,
                  fmt::format("it ends {} bytes too early", begin + length - m_size));
    m_size += static_cast<std::size_t>(got);
  }
  return text().substr(begin);
}

void PieceBuffer::drop_end(std::size_t length) {
  MRUN_CHECK(length <= m_size);
  m_size -= length;
}

std::shared_ptr<PieceBuffer> PieceBuffers::borrow(std::size_t capacity) {
  std::unique_ptr<PieceBuffer> buffer;
  {
    const std::scoped_lock lock(m_mutex);
    if (!m_free.empty()) {
      buffer = std::move(m_free.back());
      m_free.pop_back();
    }
  }
  if (!buffer) buffer = std::make_unique<PieceBuffer>();
  buffer->empty(capacity);
  return {buffer.release(),
          [this](PieceBuffer* returned) { take_back(std::unique_ptr<PieceBuffer>(returned)); }};
}

void PieceBuffers::take_back(std::unique_ptr<PieceBuffer> buffer) {
  const std::scoped_lock lock(m_mutex);
  m_free.push_back(std::move(buffer));
}

} // namespace mrun
