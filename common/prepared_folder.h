// Where loads of one version keep what they prepared of its files: unpacked packages, tokenizers.
#pragma once

#include <filesystem>

#include "common/digest.h"

namespace mrun {

// `cache`: HomePaths::cache. Made by the daemon before a load; what is in it can be made again.
inline std::filesystem::path prepared_folder(const std::filesystem::path& cache, const Digest& version) {
  return cache / "prepared" / version.hex();
}

} // namespace mrun
