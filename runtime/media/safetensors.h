// safetensors files (github.com/huggingface/safetensors, "Format"): u64 header length, a JSON header, the
// data.
//
// The bytes are untrusted: the header is at most 16 MiB here, offsets must lie in the data, follow each other
// without gaps or overlaps, and fit shape and type.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"
#include "runtime/media/tensor.h"

namespace mrun {

// The tensor of that name; an empty name means the only one. Errors: input_file (a broken file; no such
// tensor, with the nearest name in the hint; several tensors and no name).
Result<Tensor> read_safetensors(std::string_view bytes, std::string_view name);

// In the order given, the data aligned to 8 bytes.
Result<std::string> write_safetensors(std::span<const std::pair<std::string, Tensor>> tensors);

} // namespace mrun
