// One reader a format; each answers nullopt for what breaks a rule of its format. Internal to
// packager/weights.
#pragma once

#include "packager/weights/weight_layout.h"

namespace mrun {

inline constexpr std::size_t k_max_tensors = 1'000'000;
inline constexpr std::size_t k_max_tensor_name_bytes = 1024;
inline constexpr std::uint64_t k_max_weight_header_bytes = 100'000'000; // as safetensors has it

Result<std::optional<WeightLayout>> read_safetensors_layout(std::uint64_t file_bytes, const ReadAt& read_at);
Result<std::optional<WeightLayout>> read_gguf_layout(std::uint64_t file_bytes, const ReadAt& read_at);
Result<std::optional<WeightLayout>> read_zip_layout(std::uint64_t file_bytes, const ReadAt& read_at);

// Sorts by offset. False when two overlap, or one reaches out of [begin, end).
bool order_tensors(std::vector<TensorPlace>& tensors, std::uint64_t begin, std::uint64_t end);

} // namespace mrun
