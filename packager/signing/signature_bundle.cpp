#include "packager/signing/signature_bundle.h"

#include <fmt/format.h>

#include "common/json.h"
#include "common/limits.h"
#include "common/text.h"

namespace mrun {
namespace {

constexpr std::string_view k_statement_type = "https://in-toto.io/Statement/v1";
constexpr std::size_t k_max_one_signature_bytes = 512; // ECDSA P-384 in DER has 104
constexpr std::size_t k_max_subjects = 1024;
constexpr JsonLimits k_bundle_limits = {.max_bytes = k_max_signature_bytes,
                                        .max_depth = 16,
                                        .max_values = 10'000,
                                        .too_many_values = ErrorCode::signature_invalid};

tl::unexpected<Error> invalid(std::string message) {
  return fail(ErrorCode::signature_invalid, std::move(message));
}

Result<const Json*> need_object(const Json& parent, const char* key, std::string_view what) {
  const auto found = parent.find(key);
  if (found == parent.end() || !found->is_object())
    return invalid(fmt::format("{} has no object `{}`", what, key));
  return &*found;
}

Result<std::string> need_base64(const Json& object, const char* key, std::string_view what) {
  MRUN_ASSIGN(const std::string text, need_string(object, key, ErrorCode::signature_invalid, what));
  std::string bytes;
  // one way to write it: the bits beyond the last byte are zero
  if (!base64_decode(text, bytes) || base64_encode(bytes) != text)
    return invalid(fmt::format("{}: `{}` is not base64", what, key));
  return bytes;
}

std::string encode_statement(const Digest& version) {
  Json subject = {{"digest", {{"sha256", version.hex()}}}};
  return canonical_json({{"_type", k_statement_type},
                         {"subject", Json::array({std::move(subject)})},
                         {"predicateType", k_signature_predicate},
                         {"predicate", Json::object()}});
}

bool names_version(const Json& subject, const std::string& hex) {
  if (!subject.is_object()) return false;
  const auto digests = subject.find("digest");
  if (digests == subject.end() || !digests->is_object()) return false;
  const auto sha256 = digests->find("sha256");
  return sha256 != digests->end() && sha256->is_string() && sha256->get_ref<const std::string&>() == hex;
}

// An attestation of the same key says other things about a version than that it is released.
Result<void> check_statement(std::string_view payload, const Digest& version) {
  constexpr std::string_view what = "the signed statement";
  MRUN_ASSIGN(const Json root, parse_json(payload, ErrorCode::signature_invalid, what, k_bundle_limits));
  if (!root.is_object()) return invalid("the signed statement is not an object");
  MRUN_ASSIGN(const std::string type, need_string(root, "_type", ErrorCode::signature_invalid, what));
  if (type != k_statement_type)
    return invalid(fmt::format("the signed statement is of type {}", printable(type, 100)));
  MRUN_ASSIGN(const std::string predicate,
              need_string(root, "predicateType", ErrorCode::signature_invalid, what));
  if (predicate != k_signature_predicate)
    return invalid(fmt::format("it is a statement of type {}, not a signature", printable(predicate, 100)));
  const auto subjects = root.find("subject");
  if (subjects == root.end() || !subjects->is_array() || subjects->size() > k_max_subjects)
    return invalid("the signed statement has no list `subject`");
  const std::string hex = version.hex();
  for (const Json& subject : *subjects)
    if (names_version(subject, hex)) return {};
  return invalid("it signs another digest");
}

} // namespace

std::string dsse_encoding(std::string_view payload_type, std::string_view payload) {
  return fmt::format("DSSEv1 {} {} {} {}", payload_type.size(), payload_type, payload.size(), payload);
}

Result<std::string> sign_version(const Digest& version, const PrivateKey& key) {
  const std::string payload = encode_statement(version);
  MRUN_ASSIGN(const std::string signature, key.sign(dsse_encoding(k_statement_media_type, payload)));
  Json signatures = Json::array({Json{{"sig", base64_encode(signature)}}});
  return canonical_json(
      {{"mediaType", k_signature_media_type},
       {"verificationMaterial",
        {{"publicKey", {{"hint", key.public_key().hint()}}}, {"tlogEntries", Json::array()}}},
       {"dsseEnvelope",
        {{"payload", base64_encode(payload)},
         {"payloadType", k_statement_media_type},
         {"signatures", std::move(signatures)}}}});
}

Result<SignatureBundle> decode_signature_bundle(std::string_view text) {
  constexpr std::string_view what = "the signature";
  MRUN_ASSIGN(const Json root, parse_json(text, ErrorCode::signature_invalid, what, k_bundle_limits));
  if (!root.is_object()) return invalid("the signature is not an object");
  MRUN_ASSIGN(const std::string type, need_string(root, "mediaType", ErrorCode::signature_invalid, what));
  if (type != k_signature_media_type)
    return invalid(fmt::format("the signature is of type {}", printable(type, 100)));
  MRUN_ASSIGN(const Json* material, need_object(root, "verificationMaterial", what));
  if (!material->contains("publicKey"))
    return invalid("it was signed with a certificate: only signatures by a key are verified here");
  SignatureBundle bundle;
  MRUN_ASSIGN(const Json* key, need_object(*material, "publicKey", what));
  MRUN_ASSIGN(const std::optional<std::string> hint,
              json_string(*key, "hint", ErrorCode::signature_invalid, what));
  bundle.key_hint = hint.value_or("");
  if (!root.contains("dsseEnvelope") || root.contains("messageSignature"))
    return invalid("it is not a signed statement (DSSE)");
  MRUN_ASSIGN(const Json* envelope, need_object(root, "dsseEnvelope", what));
  MRUN_ASSIGN(bundle.payload, need_base64(*envelope, "payload", what));
  MRUN_ASSIGN(bundle.payload_type, need_string(*envelope, "payloadType", ErrorCode::signature_invalid, what));
  const auto signatures = envelope->find("signatures");
  if (signatures == envelope->end() || !signatures->is_array() || signatures->size() != 1 ||
      !signatures->front().is_object())
    return invalid("the envelope does not hold exactly one signature");
  MRUN_ASSIGN(bundle.signature, need_base64(signatures->front(), "sig", what));
  if (bundle.signature.empty() || bundle.signature.size() > k_max_one_signature_bytes)
    return invalid(
        fmt::format("a signature of {} bytes is none of Ed25519 or ECDSA", bundle.signature.size()));
  return bundle;
}

// cosign signs with Ed25519ph by Ed25519 keys unless told otherwise, and OpenSSL has that from 3.2 on only.
Result<void> verify_signature(const SignatureBundle& bundle, const Digest& version, const PublicKey& key) {
  const bool is_by_key = key.verifies(dsse_encoding(bundle.payload_type, bundle.payload), bundle.signature);
  if (!is_by_key && key.kind() == KeyKind::ed25519 && bundle.key_hint == key.hint())
    return invalid(fmt::format("it names the key {} and is not its Ed25519 signature: Ed25519ph, cosign's "
                               "default, is not verified; let cosign sign with an ECDSA key",
                               printable(key.name(), 200)));
  if (!is_by_key) return invalid(fmt::format("it is not by the key {}", printable(key.name(), 200)));
  if (bundle.payload_type != k_statement_media_type)
    return invalid(fmt::format("what is signed is of type {}", printable(bundle.payload_type, 100)));
  return check_statement(bundle.payload, version);
}

} // namespace mrun
