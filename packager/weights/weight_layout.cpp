#include "packager/weights/weight_layout.h"

#include <algorithm>

#include "packager/weights/layout_readers.h"

namespace mrun {

bool order_tensors(std::vector<TensorPlace>& tensors, std::uint64_t begin, std::uint64_t end) {
  std::ranges::stable_sort(tensors, {}, &TensorPlace::offset);
  std::uint64_t free_from = begin;
  for (const TensorPlace& tensor : tensors) {
    if (tensor.offset < free_from || tensor.offset > end || tensor.size_bytes > end - tensor.offset)
      return false;
    free_from = tensor.offset + tensor.size_bytes;
  }
  return true;
}

Result<std::optional<WeightLayout>> read_weight_layout(std::uint64_t file_bytes, const ReadAt& read_at) {
  constexpr std::uint64_t k_magic_bytes = 9; // safetensors: the length, and the header's brace
  if (file_bytes < k_magic_bytes) return std::nullopt;
  MRUN_ASSIGN(const std::string magic, read_at(0, k_magic_bytes));
  if (magic.starts_with("GGUF")) return read_gguf_layout(file_bytes, read_at);
  if (magic.starts_with("PK\x03\x04")) return read_zip_layout(file_bytes, read_at);
  if (magic[8] == '{') return read_safetensors_layout(file_bytes, read_at);
  return std::nullopt;
}

} // namespace mrun
