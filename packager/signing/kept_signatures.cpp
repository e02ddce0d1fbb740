#include "packager/signing/kept_signatures.h"

#include "packager/sha256.h"

namespace mrun {
namespace {

Result<SignatureArtifact> read_one(const Store& store, const Digest& manifest, const Digest& version) {
  MRUN_ASSIGN(std::string text, store.read_blob(manifest, k_max_oci_manifest_bytes));
  MRUN_ASSIGN(const BlobClaim claim, decode_signature_manifest(text, version));
  MRUN_ASSIGN(std::string bundle, store.read_blob(claim.digest, k_max_signature_bytes));
  return SignatureArtifact{std::move(text), std::move(bundle)};
}

} // namespace

Result<void> keep_signature(Store::Writer& writer, const SignatureArtifact& signature,
                            const Digest& version) {
  for (const std::string_view bytes :
       {k_empty_blob, std::string_view(signature.bundle), std::string_view(signature.manifest)})
    MRUN_TRY(writer.add_bytes(bytes));
  return writer.attach(Sha256::of(signature.manifest), version, std::string(k_signature_media_type));
}

Result<std::vector<SignatureArtifact>> kept_signatures(const Store& store, const Digest& version) {
  MRUN_ASSIGN(const std::vector<Digest> attached, store.attached(version));
  std::vector<SignatureArtifact> signatures;
  for (const Digest& manifest : attached) {
    if (signatures.size() >= k_max_signatures) break;
    if (Result<SignatureArtifact> one = read_one(store, manifest, version))
      signatures.push_back(std::move(*one));
  }
  return signatures;
}

} // namespace mrun
