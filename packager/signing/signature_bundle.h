// A signature on a version, as cosign 3 writes it with `--key`: a sigstore bundle v0.3 (protobuf-specs,
// sigstore_bundle.proto, as JSON) around a DSSE envelope (secure-systems-lab/dsse, protocol.md) around an
// in-toto statement v1 whose subject is the digest of the version's OCI manifest. docs/signing.md shows one.
#pragma once

#include <string>
#include <string_view>

#include "common/digest.h"
#include "packager/signing/key.h"

namespace mrun {

inline constexpr std::string_view k_signature_media_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
inline constexpr std::string_view k_signature_predicate = "https://sigstore.dev/cosign/sign/v1";
inline constexpr std::string_view k_statement_media_type = "application/vnd.in-toto+json";

// What is signed in place of the payload: "DSSEv1", and type and payload with their lengths.
std::string dsse_encoding(std::string_view payload_type, std::string_view payload);

// The same bytes for the same version and key with Ed25519; ECDSA draws a number each time.
Result<std::string> sign_version(const Digest& version, const PrivateKey& key);

// A bundle taken apart; nothing of it is verified yet.
struct SignatureBundle {
  std::string key_hint; // what the signer calls the key: shown, never relied on
  std::string payload_type;
  std::string payload;
  std::string signature;
};
// At most k_max_signature_bytes, one signature, strict base64. Error signature_invalid.
Result<SignatureBundle> decode_signature_bundle(std::string_view text);

// That `key` signed the payload, and that the payload says that `version` is signed. The signature is checked
// before the payload is read. Error signature_invalid.
Result<void> verify_signature(const SignatureBundle& bundle, const Digest& version, const PublicKey& key);

} // namespace mrun
