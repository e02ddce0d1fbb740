#include "runtime/engines/torch/dtypes.h"

#include <algorithm>
#include <array>

namespace mrun::torch_engine {
namespace {

constexpr std::array<DtypeRow, 21> k_dtypes = {{
    {1, "u8", 1, 1, 8},
    {2, "i8", 1, 0, 8},
    {3, "i16", 2, 0, 16},
    {4, "i32", 4, 0, 32},
    {5, "i64", 8, 0, 64},
    {6, "f16", 2, 2, 16},
    {7, "f32", 4, 2, 32},
    {8, "f64", 8, 2, 64},
    {9, "c32", 4, 5, 32},
    {10, "c64", 8, 5, 64},
    {11, "c128", 16, 5, 128},
    {12, "bool", 1, 6, 8},
    {13, "bf16", 2, 4, 16},
    {28, "u16", 2, 1, 16},
    {29, "f8_e4m3fn", 1, 10, 8},
    {30, "f8_e5m2", 1, 12, 8},
    {31, "f8_e4m3fnuz", 1, 11, 8},
    {32, "f8_e5m2fnuz", 1, 13, 8},
    {33, "f8_e8m0fnu", 1, 14, 8},
    {34, "u32", 4, 1, 32},
    {35, "u64", 8, 1, 64},
}};

} // namespace

std::span<const DtypeRow> dtype_rows() {
  return k_dtypes;
}

const DtypeRow* find_dtype(std::int64_t schema_number) {
  const auto* found = std::ranges::find(k_dtypes, schema_number, &DtypeRow::schema_number);
  return found == k_dtypes.end() ? nullptr : found;
}

} // namespace mrun::torch_engine
