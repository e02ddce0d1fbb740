// What the fuzz targets share. A target is a file with LLVMFuzzerTestOneInput(): it reads bytes as a stranger
// could send them, and stops the process (MRUN_CHECK) when what came of them breaks a promise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/safe_path.h"
#include "packager/bundle_format.h"
#include "packager/weights/weight_layout.h"

namespace mrun::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

// An input that stands for several texts: a line `----` ends each but the last. Always `count` of them.
std::vector<std::string_view> texts_of(std::string_view input, std::size_t count);

// A file of these bytes, which must outlive it. Stops the process for a range that is not inside of it.
ReadAt file_of(std::string_view bytes);

// Text that may reach a terminal: valid UTF-8 without control characters.
void check_shown(std::string_view text);
// What a reader says of a stranger's bytes is short and can be shown.
void check_error(const Error& error);
// Nothing of a path leads out of the folder that it is joined to.
void check_path(const SafePath& path);
// The segments make up the file, and each lies in a layer.
void check_file(const BundleFile& file, const std::vector<BlobClaim>& layers);

} // namespace mrun::fuzz
