// The last step of making a version: the small blobs that say what it is. Internal to the packager.
#pragma once

#include <cstdint>

#include "packager/bundle_format.h"
#include "packager/store_writer.h"

namespace mrun {

// Recipe, config and OCI manifest of files whose blobs are in the store. Adds what is new there to
// `new_bytes`. Errors: path_refused, bundle_invalid (no mrun.yaml), manifest_limit, those of writing.
Result<Digest> add_bundle(Store::Writer& writer, const Manifest& manifest, BundleParts parts,
                          std::uint64_t& new_bytes);

} // namespace mrun
