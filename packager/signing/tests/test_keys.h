// Keys for tests only: the first is RFC 8032's (section 7.1, test 1), the others were made with openssl.
#pragma once

#include <string>
#include <string_view>

#include "common/json.h"
#include "common/text.h"
#include "packager/signing/signature_bundle.h"

namespace mrun::testing {

inline constexpr std::string_view k_ed25519_private = R"(-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g
-----END PRIVATE KEY-----
)";
inline constexpr std::string_view k_ed25519_public = R"(-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=
-----END PUBLIC KEY-----
)";
inline constexpr std::string_view k_p256_private = R"(-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgDIE/+I5j8aHswJBw
cFxWme1P8xjQaMBt4NsMTR5A472hRANCAAQAimiDqP+t8qjD1Jxht3SCtspMUFVg
eh20/3z1txzk9UvT0IY6PfI6bbNyV9uxodac4HhwilGqJbKo/7kHnpPE
-----END PRIVATE KEY-----
)";
inline constexpr std::string_view k_p384_private = R"(-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDdv158lpm+LpBh6gYp
ptSOTJWZ2I1yGDpao1xUO/7HhK1tumaFzvBhRb1u+FQasvChZANiAATVGLUe7e+m
dPnOJE9eafXkq7xblLR4wEKPDJxdgNd9aJ+8/gtSmCWoDdL54yOnTkRPb8j4JhSG
RSnS9qqTcxc3PgNSwHTtqHzQ0ahs3py+1GVrXTRDD3AeoJlJHFxb254=
-----END PRIVATE KEY-----
)";

inline Result<std::string> no_passphrase() {
  return fail(ErrorCode::key_passphrase, "nobody is there");
}
inline PrivateKey private_key(std::string_view pem) {
  return PrivateKey::parse(pem, "key", &no_passphrase).value();
}
inline PublicKey public_of(const PrivateKey& key, std::string name = "key") {
  return PublicKey::parse(key.public_key().pem(), std::move(name)).value();
}

// A bundle around any payload, properly signed.
inline std::string signed_bundle(const PrivateKey& key, std::string_view type, std::string_view payload) {
  const std::string signature = key.sign(dsse_encoding(type, payload)).value();
  return canonical_json({{"mediaType", k_signature_media_type},
                         {"verificationMaterial", {{"publicKey", {{"hint", key.public_key().hint()}}}}},
                         {"dsseEnvelope",
                          {{"payload", base64_encode(payload)},
                           {"payloadType", type},
                           {"signatures", Json::array({Json{{"sig", base64_encode(signature)}}})}}}});
}

} // namespace mrun::testing
