// In which number format a model's weights are: whether a device can run it hangs on that.
#pragma once

#include <optional>
#include <string>

#include "packager/store.h"

namespace mrun::cli {

// fp32, fp16, bf16, fp8 or int8, by the bytes of safetensors and GGUF files: the format that most are in.
// nullopt: there is no such file, or most are in a format that tables of devices have no rate for (quantised
// blocks). Reads headers only. Errors: store_corrupt, io.
Result<std::optional<std::string>> number_format_of(const Store& store, const Bundle& bundle);

// As the formats write it ("BF16", "F8_E4M3"): its name here; "" when it has none.
std::string_view number_format_name(std::string_view dtype);

} // namespace mrun::cli
