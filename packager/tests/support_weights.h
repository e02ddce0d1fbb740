// Weight files made by hand, byte for byte as their formats say.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "common/json.h"
#include "packager/weights/weight_layout.h"

namespace mrun::testing {

template<class T>
void put_number(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof(T); ++i)
    out += static_cast<char>(static_cast<std::uint64_t>(value) >> (8 * i));
}

inline ReadAt reader_of(const std::string& bytes) {
  return [&bytes](std::uint64_t offset, std::uint64_t length) -> Result<std::string> {
    MRUN_CHECK(offset <= bytes.size() && length <= bytes.size() - offset);
    return bytes.substr(static_cast<std::size_t>(offset), static_cast<std::size_t>(length));
  };
}

inline std::string safetensors_of(const std::string& header, const std::string& data) {
  std::string out;
  put_number<std::uint64_t>(out, header.size());
  return out + header + data;
}

// Tensors of bytes (U8), in the order given.
inline std::string safetensors_file(const std::vector<std::pair<std::string, std::string>>& tensors,
                                    const std::string& note = {}) {
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!note.empty()) header["__metadata__"] = {{"note", note}};
  std::string data;
  for (const auto& [name, bytes] : tensors) {
    header[name] = {{"dtype", "U8"},
                    {"shape", {bytes.size()}},
                    {"data_offsets", {data.size(), data.size() + bytes.size()}}};
    data += bytes;
  }
  return safetensors_of(header.dump(), data);
}

// GGUF 3: string metadata, tensors of bytes (I8), alignment 32.
inline std::string gguf_file(const std::vector<std::pair<std::string, std::string>>& metadata,
                             const std::vector<std::pair<std::string, std::string>>& tensors) {
  const auto text = [](std::string& out, const std::string& value) {
    put_number<std::uint64_t>(out, value.size());
    out += value;
  };
  std::string out = "GGUF", data;
  put_number<std::uint32_t>(out, 3);
  put_number<std::uint64_t>(out, tensors.size());
  put_number<std::uint64_t>(out, metadata.size());
  for (const auto& [key, value] : metadata) {
    text(out, key);
    put_number<std::uint32_t>(out, 8);
    text(out, value);
  }
  for (const auto& [name, bytes] : tensors) {
    text(out, name);
    put_number<std::uint32_t>(out, 1);
    put_number<std::uint64_t>(out, bytes.size());
    put_number<std::uint32_t>(out, 24);
    put_number<std::uint64_t>(out, data.size());
    data += bytes;
    data.resize((data.size() + 31) / 32 * 32);
  }
  out.resize((out.size() + 31) / 32 * 32);
  return out + data;
}

// Bytes that no two seeds share.
inline std::string random_bytes(std::size_t size, std::uint64_t seed) {
  std::string out(size, '\0');
  std::uint64_t state = seed * 2 + 1;
  for (std::size_t i = 0; i + 8 <= size; i += 8) {
    state += 0x9e3779b97f4a7c15;
    std::uint64_t mixed = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
    mixed ^= mixed >> 27;
    std::memcpy(out.data() + i, &mixed, 8);
  }
  return out;
}

} // namespace mrun::testing
