// Reading OCI image manifests with distrust: what every reader of one checks (image-spec: manifest.md,
// descriptor.md). Errors are bundle_invalid and name `what`. Internal to the packager.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "common/error.h"
#include "common/json.h"
#include "packager/bundle_format.h"

namespace mrun {

inline constexpr std::uint64_t k_max_blob_bytes = 1ULL << 53; // what JSON numbers hold exactly

// An object of schemaVersion 2, of this media type where it names one (CVE-2021-41190), with `config` and
// `layers`, not `manifests`; at most 4 MiB and 100,000 layers.
Result<Json> parse_oci_manifest(std::string_view text);

// A member that must be there, of this type.
Result<const Json*> need_member(const Json& object, const char* key, Json::value_t type,
                                std::string_view what);
// A whole number from 0 to 2^53.
Result<std::uint64_t> need_size(const Json& object, const char* key, std::string_view what);
// What the descriptors of one manifest claim. Its blobs have at most 2^53 bytes in all, so that no sum of
// them is more than a number of JSON holds; one that comes twice has one size.
class Claims {
 public:
  Result<void> add(const BlobClaim& claim);

 private:
  std::uint64_t m_bytes = 0;
  std::map<Digest, std::uint64_t> m_sizes;
};
// Digest and size of a descriptor.
Result<BlobClaim> decode_claim(const Json& descriptor, std::string_view what);
// An annotation's text, or nothing.
Result<std::optional<std::string>> oci_annotation(const Json& object, std::string_view key,
                                                  std::string_view what);
// Of the file metadata in a layer's annotation `key`: 0755 when the owner may execute, else 0644; other bits
// are no part of the format.
Result<unsigned> decode_file_mode(const Json& layer, std::string_view key, std::string_view what);

} // namespace mrun
