// The names inside an OCI image layout (image-spec: image-layout.md). Internal to packager/layout.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

inline constexpr std::string_view k_layout_name = "oci-layout";
inline constexpr std::string_view k_index_name = "index.json";
inline constexpr std::string_view k_blobs_prefix = "blobs/sha256/";
inline constexpr std::string_view k_layout_text = R"({"imageLayoutVersion":"1.0.0"})";
inline constexpr std::string_view k_ref_name_annotation = "org.opencontainers.image.ref.name";

// The content of oci-layout. Error bundle_invalid: of no version that this mrun reads.
Result<void> check_layout_text(std::string_view text);

} // namespace mrun
