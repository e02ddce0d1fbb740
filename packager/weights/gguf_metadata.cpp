#include "packager/weights/gguf_metadata.h"

#include <type_traits>

#include "common/limits.h"
#include "common/text.h"
#include "packager/weights/gguf_cursor.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_kept_text_bytes = 64 * k_kib;
constexpr std::size_t k_max_kept_bytes = 8 * k_mib;

class MetadataReader {
 public:
  MetadataReader(std::uint64_t file_bytes, const ReadAt& read_at) : m_cursor(file_bytes, read_at) {}

  bool run() {
    std::uint64_t count = 0;
    if (!m_cursor.head(m_result.tensor_count, count)) return false;
    for (std::uint64_t i = 0; i < count; ++i)
      if (!read_pair()) return false;
    return true;
  }

  GgufMetadata take() { return std::move(m_result); }
  const std::optional<Error>& error() const { return m_cursor.error(); }

 private:
  bool read_pair() {
    std::string key;
    std::uint32_t type = 0;
    if (!m_cursor.text(key, k_max_gguf_key_bytes) || !m_cursor.number(type)) return false;
    switch (type) {
    case gguf_uint8:
    case gguf_bool:
      return read_number<std::uint8_t>(key);
    case gguf_int8:
      return read_number<std::int8_t>(key);
    case gguf_uint16:
      return read_number<std::uint16_t>(key);
    case gguf_int16:
      return read_number<std::int16_t>(key);
    case gguf_uint32:
      return read_number<std::uint32_t>(key);
    case gguf_int32:
      return read_number<std::int32_t>(key);
    case gguf_uint64:
      return read_number<std::uint64_t>(key);
    case gguf_int64:
      return read_number<std::int64_t>(key);
    case gguf_string:
      return read_text(key);
    case gguf_array:
      return read_list(key);
    default:
      return m_cursor.skip_value(type);
    }
  }

  template<class T>
  bool read_number(const std::string& key) {
    std::make_unsigned_t<T> bits = 0;
    if (!m_cursor.number(bits)) return false;
    const T value = static_cast<T>(bits);
    if (value >= 0 && keep(key.size())) m_result.numbers.emplace(key, static_cast<std::uint64_t>(value));
    return true;
  }

  bool read_text(const std::string& key) {
    std::string text;
    if (!m_cursor.text(text, k_max_gguf_string_bytes)) return false;
    if (text.size() <= k_max_kept_text_bytes && is_valid_utf8(text) && keep(key.size() + text.size()))
      m_result.texts.emplace(key, std::move(text));
    return true;
  }

  bool read_list(const std::string& key) {
    std::uint64_t count = 0;
    if (!m_cursor.skip_array(count)) return false;
    if (keep(key.size())) m_result.lists.emplace(key, count);
    return true;
  }

  bool keep(std::size_t bytes) {
    if (bytes > k_max_kept_bytes - m_kept) return false;
    m_kept += bytes;
    return true;
  }

  GgufCursor m_cursor;
  GgufMetadata m_result;
  std::size_t m_kept = 0;
};

} // namespace

std::string GgufMetadata::text(const std::string& key) const {
  const auto found = texts.find(key);
  return found == texts.end() ? "" : found->second;
}

std::optional<std::uint64_t> GgufMetadata::number(const std::string& key) const {
  const auto found = numbers.find(key);
  return found == numbers.end() ? std::nullopt : std::optional(found->second);
}

Result<std::optional<GgufMetadata>> read_gguf_metadata(std::uint64_t file_bytes, const ReadAt& read_at) {
  MetadataReader reader(file_bytes, read_at);
  if (reader.run()) return reader.take();
  if (reader.error()) return tl::unexpected(*reader.error());
  return std::nullopt;
}

} // namespace mrun
