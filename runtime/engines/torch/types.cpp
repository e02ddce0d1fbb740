#include "runtime/engines/torch/types.h"

#include <array>

namespace mrun::torch_engine {
namespace {

struct TypeRow {
  std::int64_t schema_number; // torch/_export/serde/schema.py
  c10::ScalarType type;
  std::uint8_t abi_code; // DLPack
  std::uint8_t abi_bits; // 0: the ABI does not carry it
  const char* name;
};

constexpr std::array<TypeRow, 21> k_types = {{
    {1, c10::ScalarType::Byte, 1, 8, "u8"},
    {2, c10::ScalarType::Char, 0, 8, "i8"},
    {3, c10::ScalarType::Short, 0, 16, "i16"},
    {4, c10::ScalarType::Int, 0, 32, "i32"},
    {5, c10::ScalarType::Long, 0, 64, "i64"},
    {6, c10::ScalarType::Half, 2, 16, "f16"},
    {7, c10::ScalarType::Float, 2, 32, "f32"},
    {8, c10::ScalarType::Double, 2, 64, "f64"},
    {9, c10::ScalarType::ComplexHalf, 5, 32, "c32"},
    {10, c10::ScalarType::ComplexFloat, 5, 64, "c64"},
    {11, c10::ScalarType::ComplexDouble, 5, 128, "c128"},
    {12, c10::ScalarType::Bool, 6, 8, "bool"},
    {13, c10::ScalarType::BFloat16, 4, 16, "bf16"},
    {28, c10::ScalarType::UInt16, 1, 16, "u16"},
    {29, c10::ScalarType::Float8_e4m3fn, 0, 0, "f8_e4m3fn"},
    {30, c10::ScalarType::Float8_e5m2, 0, 0, "f8_e5m2"},
    {31, c10::ScalarType::Float8_e4m3fnuz, 0, 0, "f8_e4m3fnuz"},
    {32, c10::ScalarType::Float8_e5m2fnuz, 0, 0, "f8_e5m2fnuz"},
    {33, c10::ScalarType::Float8_e8m0fnu, 0, 0, "f8_e8m0fnu"},
    {34, c10::ScalarType::UInt32, 1, 32, "u32"},
    {35, c10::ScalarType::UInt64, 1, 64, "u64"},
}};

} // namespace

std::optional<c10::ScalarType> scalar_type_of(std::int64_t number) {
  for (const TypeRow& row : k_types)
    if (row.schema_number == number) return row.type;
  return std::nullopt;
}

std::optional<c10::Layout> layout_of(std::int64_t number) {
  constexpr std::array<c10::Layout, 8> k_layouts = {
      c10::Layout::Strided,   c10::Layout::Sparse,    c10::Layout::SparseCsr, c10::Layout::SparseCsc,
      c10::Layout::SparseBsr, c10::Layout::SparseBsc, c10::Layout::Mkldnn,    c10::Layout::Strided};
  if (number < 1 || number > 7) return std::nullopt;
  return k_layouts[static_cast<std::size_t>(number)];
}

std::optional<c10::MemoryFormat> memory_format_of(std::int64_t number) {
  switch (number) {
  case 1:
    return c10::MemoryFormat::Contiguous;
  case 2:
    return c10::MemoryFormat::ChannelsLast;
  case 3:
    return c10::MemoryFormat::ChannelsLast3d;
  case 4:
    return c10::MemoryFormat::Preserve;
  default:
    return std::nullopt;
  }
}

std::optional<c10::ScalarType> scalar_type_of_abi(const mrun_tensor& tensor) {
  if (tensor.dtype_lanes != 1) return std::nullopt;
  for (const TypeRow& row : k_types)
    if (row.abi_bits != 0 && row.abi_code == tensor.dtype_code && row.abi_bits == tensor.dtype_bits)
      return row.type;
  return std::nullopt;
}

bool abi_type_of(c10::ScalarType type, mrun_tensor& tensor) {
  for (const TypeRow& row : k_types) {
    if (row.type != type || row.abi_bits == 0) continue;
    tensor.dtype_code = row.abi_code;
    tensor.dtype_bits = row.abi_bits;
    tensor.dtype_lanes = 1;
    return true;
  }
  return false;
}

std::string type_name(c10::ScalarType type) {
  for (const TypeRow& row : k_types)
    if (row.type == type) return row.name;
  return c10::toString(type);
}

} // namespace mrun::torch_engine
