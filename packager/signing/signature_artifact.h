// A signature bundle as an OCI artifact: an image manifest whose `subject` is the version and whose one layer
// is the bundle (image-spec manifest.md, as cosign 3 writes it, without a time). It lies beside the version,
// in a registry and in the store.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "packager/bundle_format.h"
#include "packager/signing/signature_bundle.h"

namespace mrun {

inline constexpr std::string_view k_empty_media_type = "application/vnd.oci.empty.v1+json";
inline constexpr std::string_view k_empty_blob = "{}";

// As bytes, so that its digests stay what they are.
struct SignatureArtifact {
  std::string manifest;
  std::string bundle;
};

SignatureArtifact make_signature_artifact(const BlobClaim& version, std::string bundle);

// Where the bundle of such a manifest is. Error signature_invalid: it is something else, of another version,
// or claims more than k_max_signature_bytes.
Result<BlobClaim> decode_signature_manifest(std::string_view text, const Digest& version);

// The version that such a manifest belongs to; nullopt: it is something else.
std::optional<Digest> signed_version(std::string_view text);

// Who signed: of several signatures and keys one pair that fits is enough.
struct Verdict {
  const PublicKey* key = nullptr; // one of those given
  std::size_t signature = 0;      // which one
};
// Errors: signature_missing (there is none), signature_invalid (none fits; says why of each).
Result<Verdict> check_signatures(const std::vector<SignatureArtifact>& signatures, const Digest& version,
                                 const std::vector<PublicKey>& keys);

} // namespace mrun
