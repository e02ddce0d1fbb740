// Weight files made by hand: the smallest that the readers take.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/json.h"
#include "packager/interop/model_source.h"

namespace mrun::testing {

template<class T>
void put(std::string& bytes, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    bytes += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i) & 0xff);
}

inline void put_text(std::string& bytes, std::string_view text) {
  put<std::uint64_t>(bytes, text.size());
  bytes += text;
}

// A GGUF 3 file without tensors.
class GgufMaker {
 public:
  GgufMaker& text(std::string_view key, std::string_view value) {
    head(key, 8);
    put_text(m_pairs, value);
    return *this;
  }
  GgufMaker& number(std::string_view key, std::uint32_t value) {
    head(key, 4);
    put(m_pairs, value);
    return *this;
  }
  GgufMaker& texts(std::string_view key, const std::vector<std::string>& values) {
    head(key, 9);
    put<std::uint32_t>(m_pairs, 8);
    put<std::uint64_t>(m_pairs, values.size());
    for (const std::string& value : values)
      put_text(m_pairs, value);
    return *this;
  }
  GgufMaker& raw(std::string_view key, std::uint32_t type, std::string_view bytes) {
    head(key, type);
    m_pairs += bytes;
    return *this;
  }
  std::string bytes() const {
    std::string out = "GGUF";
    put<std::uint32_t>(out, 3);
    put<std::uint64_t>(out, 0);
    put<std::uint64_t>(out, m_count);
    return out + m_pairs;
  }

 private:
  void head(std::string_view key, std::uint32_t type) {
    put_text(m_pairs, key);
    put(m_pairs, type);
    ++m_count;
  }

  std::string m_pairs;
  std::uint64_t m_count = 0;
};

struct Tensor {
  std::string name, dtype;
  std::vector<std::uint64_t> shape;
  std::uint64_t item_bytes = 4;
};

inline std::string safetensors(const std::vector<Tensor>& tensors) {
  Json header = Json::object();
  std::uint64_t at = 0;
  for (const Tensor& tensor : tensors) {
    std::uint64_t size = tensor.item_bytes;
    for (const std::uint64_t extent : tensor.shape)
      size *= extent;
    header[tensor.name] = {
        {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"data_offsets", {at, at + size}}};
    at += size;
  }
  const std::string text = header.dump();
  std::string out;
  put<std::uint64_t>(out, text.size());
  return out + text + std::string(static_cast<std::size_t>(at), '\x01');
}

inline ReadAt reader_of(const std::string& bytes) {
  return [bytes](std::uint64_t offset, std::uint64_t length) -> Result<std::string> {
    return bytes.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
  };
}

inline ModelSource source_with(const std::vector<std::pair<std::string, std::string>>& files) {
  ModelSource source;
  for (const auto& [path, bytes] : files)
    source.files.push_back({SafePath::parse(path).value(), bytes.size(), reader_of(bytes)});
  return source;
}

inline std::vector<SafePath> paths_of(const ModelSource& source) {
  std::vector<SafePath> paths;
  for (const SourceFile& file : source.files)
    paths.push_back(file.path);
  return paths;
}

} // namespace mrun::testing
