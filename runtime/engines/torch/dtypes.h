// The dtypes of torch/_export/serde/schema.py: their numbers there, what the predictor ABI calls them, and
// the names that manifests use. No LibTorch in this file.
#pragma once

#include <cstdint>
#include <span>

namespace mrun::torch_engine {

struct DtypeRow {
  std::int64_t schema_number; // schema.py ScalarType, not c10's
  const char* name;           // "f32"
  std::uint8_t size_bytes;    // of one element
  std::uint8_t abi_code;      // DLPack
  std::uint8_t abi_bits;      // 0: the ABI does not carry it
};

std::span<const DtypeRow> dtype_rows();
// nullptr for a number that is not there.
const DtypeRow* find_dtype(std::int64_t schema_number);

} // namespace mrun::torch_engine
