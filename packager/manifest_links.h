// What an OCI manifest or index names, whoever wrote it. Internal to the packager.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "common/digest.h"
#include "common/error.h"

namespace mrun {

inline constexpr int k_max_index_depth = 4; // indexes inside indexes, which other tools may write

struct ManifestLink {
  Digest digest;
  std::optional<std::uint64_t> size; // as it says; nothing when that is no size
};

struct ManifestLinks {
  std::vector<ManifestLink> blobs;     // config and layers
  std::vector<ManifestLink> manifests; // of an index: they name more
  std::optional<Digest> subject;
};

// Blobs of other digests than sha256 are left out: they are not in our folder. Error store_corrupt: the text
// is no object, or names something by what is no digest.
Result<ManifestLinks> manifest_links(std::string_view text, const Digest& digest);

} // namespace mrun
