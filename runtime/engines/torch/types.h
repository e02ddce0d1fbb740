// Numbers of torch/_export/serde/schema.py and of the predictor ABI, as LibTorch's own types.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/engines/torch/torch_headers.h"
#include "runtime/mrun_predictor.h"

namespace mrun::torch_engine {

// schema.py ScalarType, Layout, MemoryFormat; nullopt for a number that is not there.
std::optional<c10::ScalarType> scalar_type_of(std::int64_t number);
std::optional<c10::Layout> layout_of(std::int64_t number);
std::optional<c10::MemoryFormat> memory_format_of(std::int64_t number);

// DLPack code and bits of the ABI's tensors; nullopt for a type that LibTorch or the ABI lacks.
std::optional<c10::ScalarType> scalar_type_of_abi(const mrun_tensor& tensor);
bool abi_type_of(c10::ScalarType type, mrun_tensor& tensor);

// "f32", "i64", …: the names that manifests use; LibTorch's own for the rest.
std::string type_name(c10::ScalarType type);

} // namespace mrun::torch_engine
