#include "runtime/engines/torch/types.h"

#include <array>

#include "runtime/engines/torch/dtypes.h"

namespace mrun::torch_engine {
namespace {

// In the order of dtype_rows().
constexpr std::array<c10::ScalarType, 21> k_types = {c10::ScalarType::Byte,
                                                     c10::ScalarType::Char,
                                                     c10::ScalarType::Short,
                                                     c10::ScalarType::Int,
                                                     c10::ScalarType::Long,
                                                     c10::ScalarType::Half,
                                                     c10::ScalarType::Float,
                                                     c10::ScalarType::Double,
                                                     c10::ScalarType::ComplexHalf,
                                                     c10::ScalarType::ComplexFloat,
                                                     c10::ScalarType::ComplexDouble,
                                                     c10::ScalarType::Bool,
                                                     c10::ScalarType::BFloat16,
                                                     c10::ScalarType::UInt16,
                                                     c10::ScalarType::Float8_e4m3fn,
                                                     c10::ScalarType::Float8_e5m2,
                                                     c10::ScalarType::Float8_e4m3fnuz,
                                                     c10::ScalarType::Float8_e5m2fnuz,
                                                     c10::ScalarType::Float8_e8m0fnu,
                                                     c10::ScalarType::UInt32,
                                                     c10::ScalarType::UInt64};

// The first type whose row `fits`.
template<class Fits>
std::optional<c10::ScalarType> find_type(Fits fits) {
  const std::span<const DtypeRow> rows = dtype_rows();
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (fits(rows[i])) return k_types.at(i);
  return std::nullopt;
}

const DtypeRow* row_of(c10::ScalarType type) {
  const std::span<const DtypeRow> rows = dtype_rows();
  for (std::size_t i = 0; i < rows.size(); ++i)
    if (k_types.at(i) == type) return &rows[i];
  return nullptr;
}

} // namespace

std::optional<c10::ScalarType> scalar_type_of(std::int64_t number) {
  return find_type([&](const DtypeRow& row) { return row.schema_number == number; });
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
  return find_type([&](const DtypeRow& row) {
    return row.abi_bits != 0 && row.abi_code == tensor.dtype_code && row.abi_bits == tensor.dtype_bits;
  });
}

bool abi_type_of(c10::ScalarType type, mrun_tensor& tensor) {
  const DtypeRow* row = row_of(type);
  if (row == nullptr || row->abi_bits == 0) return false;
  tensor.dtype_code = row->abi_code;
  tensor.dtype_bits = row->abi_bits;
  tensor.dtype_lanes = 1;
  return true;
}

std::string type_name(c10::ScalarType type) {
  const DtypeRow* row = row_of(type);
  return row == nullptr ? c10::toString(type) : row->name;
}

} // namespace mrun::torch_engine
