// Reading a GGUF header front to back through a window (ggml:docs/gguf.md). Internal to packager/weights.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <string>

#include "common/little_endian.h"
#include "packager/weights/weight_layout.h"

namespace mrun {

inline constexpr std::uint64_t k_max_gguf_string_bytes = 16'777'216;
inline constexpr std::uint64_t k_max_gguf_metadata = 100'000;
inline constexpr std::uint64_t k_max_gguf_key_bytes = 65'535;

// Values of metadata (gguf_metadata_value_type); 0: of variable length.
inline constexpr std::array<std::uint64_t, 13> k_gguf_value_bytes = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};
enum GgufType : std::uint32_t {
  gguf_uint8 = 0,
  gguf_int8 = 1,
  gguf_uint16 = 2,
  gguf_int16 = 3,
  gguf_uint32 = 4,
  gguf_int32 = 5,
  gguf_bool = 7,
  gguf_string = 8,
  gguf_array = 9,
  gguf_uint64 = 10,
  gguf_int64 = 11
};

// A false answer of any call: the file ends, a limit is passed, or a read failed; then error() has why.
class GgufCursor {
 public:
  GgufCursor(std::uint64_t file_bytes, const ReadAt& read_at)
      : m_file_bytes(file_bytes),
        m_read_at(read_at) {}

  template<class T>
  bool number(T& value) {
    if (!fill(sizeof(T))) return false;
    value = read_little_endian<T>(m_window, static_cast<std::size_t>(m_at - m_window_at));
    m_at += sizeof(T);
    return true;
  }
  bool skip(std::uint64_t bytes) {
    if (bytes > m_file_bytes - m_at) return false;
    m_at += bytes;
    return true;
  }
  bool text(std::string& value, std::uint64_t limit) {
    std::uint64_t length = 0;
    if (!number(length) || length > limit || !fill(length)) return false;
    value = m_window.substr(static_cast<std::size_t>(m_at - m_window_at), static_cast<std::size_t>(length));
    m_at += length;
    return true;
  }
  bool skip_text() {
    std::uint64_t length = 0;
    return number(length) && length <= k_max_gguf_string_bytes && skip(length);
  }
  // An array's head and items; strings are passed over one by one. Arrays of arrays, which the format allows
  // and nobody writes, are refused.
  bool skip_array(std::uint64_t& count) {
    std::uint32_t item = 0;
    if (!number(item) || !number(count) || item >= k_gguf_value_bytes.size() || item == gguf_array)
      return false;
    std::uint64_t bytes = 0;
    if (item != gguf_string)
      return !__builtin_mul_overflow(count, k_gguf_value_bytes[item], &bytes) && skip(bytes);
    for (std::uint64_t i = 0; i < count; ++i)
      if (!skip_text()) return false;
    return true;
  }
  // One value of metadata.
  bool skip_value(std::uint32_t type) {
    std::uint64_t count = 0;
    if (type == gguf_string) return skip_text();
    if (type == gguf_array) return skip_array(count);
    return type < k_gguf_value_bytes.size() && skip(k_gguf_value_bytes[type]);
  }
  // Magic, version and counts.
  bool head(std::uint64_t& tensor_count, std::uint64_t& metadata_count) {
    std::uint32_t magic = 0, version = 0;
    return number(magic) && magic == 0x46554747 && number(version) && version >= 2 && version <= 3 &&
           number(tensor_count) && number(metadata_count) && metadata_count <= k_max_gguf_metadata;
  }

  std::uint64_t at() const { return m_at; }
  const std::optional<Error>& error() const { return m_error; }

 private:
  static constexpr std::uint64_t k_window_bytes = 1 << 20;

  bool fill(std::uint64_t bytes) {
    if (bytes > m_file_bytes - m_at) return false;
    if (m_at >= m_window_at && m_at + bytes <= m_window_at + m_window.size()) return true;
    auto window = m_read_at(m_at, std::min(std::max(bytes, k_window_bytes), m_file_bytes - m_at));
    if (!window) {
      m_error = std::move(window).error();
      return false;
    }
    m_window = std::move(*window);
    m_window_at = m_at;
    return m_window.size() >= bytes;
  }

  std::uint64_t m_file_bytes;
  const ReadAt& m_read_at;
  std::uint64_t m_at = 0; // never past the end
  std::uint64_t m_window_at = 0;
  std::string m_window;
  std::optional<Error> m_error;
};

} // namespace mrun
