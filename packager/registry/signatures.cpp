#include "packager/registry/signatures.h"

#include <algorithm>
#include <optional>

#include "packager/sha256.h"

namespace mrun {
namespace {

// What a stranger put there may be anything, or gone: then it is no signature, and others may stand beside
// it. That the registry can't be reached, or does not let us in, is an error.
bool is_no_signature(const Error& error) {
  return error.code == ErrorCode::signature_invalid || error.code == ErrorCode::remote_not_found ||
         error.code == ErrorCode::digest_mismatch || error.code == ErrorCode::registry_reply;
}

Result<SignatureArtifact> fetch_one(RegistryConnection& connection, const Referrer& referrer,
                                    const Digest& version) {
  MRUN_ASSIGN(RemoteManifest manifest, connection.get_manifest(referrer.digest.text()));
  MRUN_ASSIGN(const BlobClaim claim, decode_signature_manifest(manifest.bytes, version));
  MRUN_ASSIGN(std::string bundle, connection.read_blob(claim.digest, claim.size));
  return SignatureArtifact{std::move(manifest.bytes), std::move(bundle)};
}

Result<void> put_blob(RegistryConnection& connection, std::string_view bytes) {
  const Digest digest = Sha256::of(bytes);
  MRUN_ASSIGN(const bool there, connection.has_blob({digest, bytes.size()}));
  if (there) return {};
  const HttpSource source{bytes.size(),
                          [bytes](std::uint64_t offset, std::span<char> to) -> Result<std::size_t> {
                            return bytes.copy(to.data(), to.size(), static_cast<std::size_t>(offset));
                          }};
  MRUN_TRY(connection.push_blob({.digest = digest, .source = source}));
  return {};
}

} // namespace

Result<std::vector<SignatureArtifact>> fetch_signatures(RegistryConnection& connection,
                                                        const Digest& version) {
  MRUN_ASSIGN(const std::vector<Referrer> found,
              connection.referrers(version, std::string(k_signature_media_type)));
  std::vector<SignatureArtifact> signatures;
  for (std::size_t i = 0; i < found.size() && i < k_max_signatures; ++i) {
    if (found[i].size_bytes > k_max_signature_bytes) continue;
    Result<SignatureArtifact> one = fetch_one(connection, found[i], version);
    if (one)
      signatures.push_back(std::move(*one));
    else if (!is_no_signature(one.error()))
      return tl::unexpected<Error>(std::move(one).error());
  }
  return signatures;
}

Result<SignatureFinding> find_signature(RegistryConnection& connection, const Digest& version,
                                        const SignatureDemand& demand) {
  SignatureFinding finding;
  if (demand.mode == SignatureMode::off) return finding;
  MRUN_ASSIGN(std::vector<SignatureArtifact> signatures, fetch_signatures(connection, version));
  Result<Verdict> verdict = check_signatures(signatures, version, demand.keys);
  if (!verdict && demand.mode == SignatureMode::enforce)
    return tl::unexpected<Error>(std::move(verdict).error());
  if (!verdict) {
    finding.problem = std::move(verdict).error();
    return finding;
  }
  finding.signature = std::move(signatures[verdict->signature]);
  finding.signed_by = verdict->key->name();
  return finding;
}

Result<bool> push_signature(RegistryConnection& connection, const BlobClaim& version, const PrivateKey& key) {
  MRUN_ASSIGN(const std::vector<SignatureArtifact> present, fetch_signatures(connection, version.digest));
  const bool is_signed = std::any_of(present.begin(), present.end(), [&](const SignatureArtifact& signature) {
    const auto bundle = decode_signature_bundle(signature.bundle);
    return bundle && verify_signature(*bundle, version.digest, key.public_key());
  });
  if (is_signed) return false;
  MRUN_ASSIGN(std::string bundle, sign_version(version.digest, key));
  const SignatureArtifact signature = make_signature_artifact(version, std::move(bundle));
  MRUN_TRY(put_blob(connection, k_empty_blob));
  MRUN_TRY(put_blob(connection, signature.bundle));
  MRUN_TRY(connection.put_referrer(version.digest, signature.manifest));
  return true;
}

} // namespace mrun
