#include "packager/signing/signature_artifact.h"

#include <fmt/format.h>

#include "common/json.h"
#include "common/text.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_reasons = 5; // of an error: more tell nothing new

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::signature_invalid, std::move(message));
}

Json descriptor(std::string_view media_type, std::string_view bytes) {
  return {{"mediaType", media_type}, {"digest", Sha256::of(bytes).text()}, {"size", bytes.size()}};
}

constexpr std::string_view k_what = "the manifest of a signature";

Result<Json> parse_manifest_json(std::string_view text) {
  MRUN_ASSIGN(Json root, parse_json(text, ErrorCode::signature_invalid, k_what,
                                    {.max_bytes = k_max_oci_manifest_bytes, .max_depth = 16}));
  if (!root.is_object()) return invalid(fmt::format("{} is not an object", k_what));
  return root;
}

Result<Digest> digest_of(const Json& descriptor, std::string_view what) {
  MRUN_ASSIGN(const std::string text, need_string(descriptor, "digest", ErrorCode::signature_invalid, what));
  auto digest = Digest::parse(text);
  if (!digest) return invalid(fmt::format("{}: {}", what, digest.error().message));
  return *digest;
}

// The first key that made one of them; `reasons` gets why it is not the others.
const PublicKey* signer_of(const SignatureArtifact& artifact, const Digest& version,
                           const std::vector<PublicKey>& keys, std::vector<std::string>& reasons) {
  const Result<SignatureBundle> bundle = decode_signature_bundle(artifact.bundle);
  if (!bundle) {
    reasons.push_back(bundle.error().message);
    return nullptr;
  }
  for (const PublicKey& key : keys) {
    const Result<void> verified = verify_signature(*bundle, version, key);
    if (verified) return &key;
    reasons.push_back(verified.error().message);
  }
  return nullptr;
}

} // namespace

SignatureArtifact make_signature_artifact(const BlobClaim& version, std::string bundle) {
  Json subject = {
      {"mediaType", k_manifest_media_type}, {"digest", version.digest.text()}, {"size", version.size}};
  Json annotations = {{"dev.sigstore.bundle.content", "dsse-envelope"},
                      {"dev.sigstore.bundle.predicateType", k_signature_predicate}};
  std::string manifest =
      canonical_json({{"schemaVersion", 2},
                      {"mediaType", k_manifest_media_type},
                      {"artifactType", k_signature_media_type},
                      {"config", descriptor(k_empty_media_type, k_empty_blob)},
                      {"layers", Json::array({descriptor(k_signature_media_type, bundle)})},
                      {"subject", std::move(subject)},
                      {"annotations", std::move(annotations)}});
  return {std::move(manifest), std::move(bundle)};
}

std::optional<Digest> signed_version(std::string_view text) {
  const Result<Json> root = parse_manifest_json(text);
  if (!root || root->value("artifactType", Json()) != k_signature_media_type) return std::nullopt;
  const auto subject = root->find("subject");
  if (subject == root->end() || !subject->is_object()) return std::nullopt;
  const Result<Digest> version = digest_of(*subject, k_what);
  return version ? std::optional(*version) : std::nullopt;
}

Result<BlobClaim> decode_signature_manifest(std::string_view text, const Digest& version) {
  MRUN_ASSIGN(const Json root, parse_manifest_json(text));
  MRUN_ASSIGN(const std::string type, need_string(root, "mediaType", ErrorCode::signature_invalid, k_what));
  const auto subject = root.find("subject"), layers = root.find("layers");
  if (type != k_manifest_media_type || root.contains("manifests") || layers == root.end() ||
      !layers->is_array() || layers->size() != 1 || !layers->front().is_object())
    return invalid("the manifest of a signature is not one with a single layer");
  if (subject == root.end() || !subject->is_object()) return invalid("it names no subject");
  MRUN_ASSIGN(const Digest of, digest_of(*subject, k_what));
  if (of != version) return invalid(fmt::format("it belongs to another version, {}", of.short_hex()));
  const Json& layer = layers->front();
  MRUN_ASSIGN(const std::string kind, need_string(layer, "mediaType", ErrorCode::signature_invalid, k_what));
  if (kind != k_signature_media_type)
    return invalid(fmt::format("its layer is of type {}", printable(kind, 100)));
  BlobClaim claim;
  MRUN_ASSIGN(claim.digest, digest_of(layer, k_what));
  MRUN_ASSIGN(const std::int64_t size, need_integer(layer, "size", ErrorCode::signature_invalid, k_what));
  if (size < 0 || static_cast<std::uint64_t>(size) > k_max_signature_bytes)
    return invalid(
        fmt::format("it claims {} bytes, a signature has at most {}", size, k_max_signature_bytes));
  claim.size = static_cast<std::uint64_t>(size);
  return claim;
}

Result<Verdict> check_signatures(const std::vector<SignatureArtifact>& signatures, const Digest& version,
                                 const std::vector<PublicKey>& keys) {
  if (signatures.empty())
    return fail(ErrorCode::signature_missing, fmt::format("version {} is not signed", version.short_hex()));
  std::vector<std::string> reasons;
  for (std::size_t i = 0; i < signatures.size(); ++i)
    if (const PublicKey* key = signer_of(signatures[i], version, keys, reasons)) return Verdict{key, i};
  Error error = fail(ErrorCode::signature_invalid,
                     fmt::format("of {} signature{} of version {} none is valid", signatures.size(),
                                 signatures.size() == 1 ? "" : "s", version.short_hex()))
                    .value();
  for (std::size_t i = 0; i < reasons.size() && i < k_max_reasons; ++i)
    error = std::move(error).with_note(reasons[i]);
  return tl::unexpected<Error>(std::move(error));
}

} // namespace mrun
