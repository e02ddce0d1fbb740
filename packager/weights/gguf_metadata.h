// What a GGUF file says of itself: the metadata in front of its tensors (ggml:docs/gguf.md). The bytes are a
// stranger's: counts and lengths are checked against the file before they are used, and what is kept is
// bounded.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "packager/weights/weight_layout.h"

namespace mrun {

struct GgufMetadata {
  // Texts of up to 64 KiB that are UTF-8; at most 8 MiB of keys and texts together, the first ones win.
  std::map<std::string, std::string> texts;
  std::map<std::string, std::uint64_t> numbers; // integers from 0 on; booleans as 0 and 1
  std::map<std::string, std::uint64_t> lists;   // how many items
  std::uint64_t tensor_count = 0;

  std::string text(const std::string& key) const; // "" when it is not there
  std::optional<std::uint64_t> number(const std::string& key) const;
};

// nullopt: no GGUF 2 or 3, or one that breaks the format. Errors: those of `read_at` only.
Result<std::optional<GgufMetadata>> read_gguf_metadata(std::uint64_t file_bytes, const ReadAt& read_at);

} // namespace mrun
