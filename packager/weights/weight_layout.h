// Where the tensors of a weight file lie: what cutting and comparing need to know of a format, no more.
//
// safetensors, GGUF and ZIP archives (PyTorch's .pt and .pt2) are read by their headers; no weight is
// touched. The bytes are a stranger's: every count, offset and size is checked against the file before it is
// used.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "common/error.h"

namespace mrun {

// `length` bytes at `offset`, both inside the file. May be called for the header's parts only.
using ReadAt = std::function<Result<std::string>(std::uint64_t offset, std::uint64_t length)>;

enum class WeightFormat { safetensors, gguf, zip };

struct TensorPlace {
  std::string name;                 // of the tensor; of a ZIP archive: of the member
  std::string dtype;                // as the format writes it ("BF16", "Q4_K"); "" in a ZIP archive
  std::vector<std::uint64_t> shape; // empty in a ZIP archive
  std::uint64_t offset = 0;         // from the start of the file
  std::uint64_t size_bytes = 0;     // up to 2^53; 0 for an empty tensor
};

struct WeightLayout {
  WeightFormat format = WeightFormat::safetensors;
  std::vector<TensorPlace> tensors; // by offset; they don't overlap, and lie inside the file
};

// By the first bytes, not by the name. nullopt: the file is of no such format, or breaks a rule of it: then
// it is bytes like any other. Errors: those of `read_at` only.
Result<std::optional<WeightLayout>> read_weight_layout(std::uint64_t file_bytes, const ReadAt& read_at);

} // namespace mrun
