// GGUF 2 and 3, little-endian (ggml:docs/gguf.md): magic, version, counts, metadata, tensor infos, data.
#include <array>
#include <unordered_set>

#include "packager/weights/gguf_cursor.h"
#include "packager/weights/layout_readers.h"

namespace mrun {
namespace {

constexpr std::uint32_t k_max_rank = 8;

// A tensor's elements lie in blocks (ggml_type).
struct BlockType {
  std::uint32_t id;
  std::string_view name;
  std::uint64_t elements, bytes;
};
constexpr std::array<BlockType, 33> k_blocks = {
    {{0, "F32", 1, 4},         {1, "F16", 1, 2},         {2, "Q4_0", 32, 18},      {3, "Q4_1", 32, 20},
     {6, "Q5_0", 32, 22},      {7, "Q5_1", 32, 24},      {8, "Q8_0", 32, 34},      {9, "Q8_1", 32, 36},
     {10, "Q2_K", 256, 84},    {11, "Q3_K", 256, 110},   {12, "Q4_K", 256, 144},   {13, "Q5_K", 256, 176},
     {14, "Q6_K", 256, 210},   {15, "Q8_K", 256, 292},   {16, "IQ2_XXS", 256, 66}, {17, "IQ2_XS", 256, 74},
     {18, "IQ3_XXS", 256, 98}, {19, "IQ1_S", 256, 50},   {20, "IQ4_NL", 32, 18},   {21, "IQ3_S", 256, 110},
     {22, "IQ2_S", 256, 82},   {23, "IQ4_XS", 256, 136}, {24, "I8", 1, 1},         {25, "I16", 1, 2},
     {26, "I32", 1, 4},        {27, "I64", 1, 8},        {28, "F64", 1, 8},        {29, "IQ1_M", 256, 56},
     {30, "BF16", 1, 2},       {34, "TQ1_0", 256, 54},   {35, "TQ2_0", 256, 66},   {39, "MXFP4", 32, 17},
     {40, "NVFP4", 64, 36}}};

const BlockType* block_of(std::uint32_t id) {
  for (const BlockType& block : k_blocks)
    if (block.id == id) return &block;
  return nullptr;
}

bool read_metadata(GgufCursor& cursor, std::uint64_t count, std::uint32_t& alignment) {
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key;
    std::uint32_t type = 0;
    if (!cursor.text(key, k_max_gguf_key_bytes) || !cursor.number(type)) return false;
    if (key == "general.alignment" && type == gguf_uint32) {
      if (!cursor.number(alignment)) return false;
    } else if (!cursor.skip_value(type)) {
      return false;
    }
  }
  return alignment >= 8 && alignment <= 65'536 && (alignment & (alignment - 1)) == 0;
}

bool read_tensor(GgufCursor& cursor, TensorPlace& tensor) {
  std::uint32_t rank = 0, type = 0;
  if (!cursor.text(tensor.name, k_max_tensor_name_bytes) || !cursor.number(rank) || rank > k_max_rank)
    return false;
  std::uint64_t elements = 1;
  for (std::uint32_t i = 0; i < rank; ++i) {
    std::uint64_t extent = 0;
    if (!cursor.number(extent) || __builtin_mul_overflow(elements, extent, &elements)) return false;
    tensor.shape.push_back(extent);
  }
  if (!cursor.number(type) || !cursor.number(tensor.offset)) return false;
  const BlockType* block = block_of(type);
  if (block == nullptr || elements % block->elements != 0) return false;
  tensor.dtype = block->name;
  return !__builtin_mul_overflow(elements / block->elements, block->bytes, &tensor.size_bytes);
}

bool read_all(GgufCursor& cursor, std::uint64_t file_bytes, WeightLayout& layout) {
  std::uint32_t alignment = 32;
  std::uint64_t tensor_count = 0, metadata_count = 0;
  if (!cursor.head(tensor_count, metadata_count) || tensor_count > k_max_tensors) return false;
  if (!read_metadata(cursor, metadata_count, alignment)) return false;
  std::unordered_set<std::string> names;
  for (std::uint64_t i = 0; i < tensor_count; ++i) {
    TensorPlace tensor;
    if (!read_tensor(cursor, tensor) || tensor.offset % alignment != 0) return false;
    if (!names.insert(tensor.name).second) return false;
    layout.tensors.push_back(std::move(tensor));
  }
  const std::uint64_t data = (cursor.at() + alignment - 1) / alignment * alignment;
  for (TensorPlace& tensor : layout.tensors)
    if (__builtin_add_overflow(tensor.offset, data, &tensor.offset)) return false;
  return order_tensors(layout.tensors, data, file_bytes);
}

} // namespace

Result<std::optional<WeightLayout>> read_gguf_layout(std::uint64_t file_bytes, const ReadAt& read_at) {
  GgufCursor cursor(file_bytes, read_at);
  WeightLayout layout{WeightFormat::gguf, {}};
  if (read_all(cursor, file_bytes, layout)) return layout;
  if (cursor.error()) return tl::unexpected(*cursor.error());
  return std::nullopt;
}

} // namespace mrun
