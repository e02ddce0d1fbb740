// Keys, signatures and their artifacts: published vectors, a golden, and what strangers may send instead.
#include <doctest/doctest.h>

#include <functional>

#include "packager/sha256.h"
#include "packager/signing/kept_signatures.h"
#include "packager/signing/tests/test_keys.h"
#include "packager/tests/support_store.h"

using namespace mrun;
using namespace mrun::testing;

namespace {

const Digest k_version = Sha256::of("{}");

// Made from the same key by an independent program (Python's cryptography and json).
constexpr std::string_view k_golden_bundle =
    R"({"dsseEnvelope":{"payload":"eyJfdHlwZSI6Imh0dHBzOi8vaW4tdG90by5pby9TdGF0ZW1lbnQvdjEiLCJwcmVkaWNhdGUiOnt9LCJwcmVkaWNhdGVUeXBlIjoiaHR0cHM6Ly9zaWdzdG9yZS5kZXYvY29zaWduL3NpZ24vdjEiLCJzdWJqZWN0IjpbeyJkaWdlc3QiOnsic2hhMjU2IjoiNDQxMzZmYTM1NWIzNjc4YTExNDZhZDE2ZjdlODY0OWU5NGZiNGZjMjFmZTc3ZTgzMTBjMDYwZjYxY2FhZmY4YSJ9fV19","payloadType":"application/vnd.in-toto+json","signatures":[{"sig":"85B4U3jeMJLrgnA8309u1iu+XmvK6/VHIrclqDNzQgKtSzkSoj3BZgbznLFfWUZLAyl8pzb/cY/5r43CUuRFCA=="}]},"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","verificationMaterial":{"publicKey":{"hint":"BuP9j9opu2CrWVV95h7bCuzbIxE0vjDnW0Vfjht5L6k="},"tlogEntries":[]}})";

ErrorCode code_of(const std::string& bundle, const Digest& version, const PublicKey& key) {
  const auto decoded = decode_signature_bundle(bundle);
  if (!decoded) return decoded.error().code;
  const auto verified = verify_signature(*decoded, version, key);
  return verified ? ErrorCode::internal : verified.error().code; // internal: it passed
}

constexpr ErrorCode k_passed = ErrorCode::internal;

std::string statement(const std::string& changes) {
  Json json = {{"_type", "https://in-toto.io/Statement/v1"},
               {"predicateType", k_signature_predicate},
               {"predicate", Json::object()},
               {"subject", Json::array({Json{{"digest", {{"sha256", k_version.hex()}}}}})}};
  json.merge_patch(Json::parse(changes));
  return canonical_json(json);
}

} // namespace

TEST_CASE("the DSSE encoding and its published ECDSA vector") {
  CHECK(dsse_encoding("http://example.com/HelloWorld", "hello world") ==
        "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
  CHECK(dsse_encoding("", "") == "DSSEv1 0  0 ");
  CHECK(dsse_encoding("\xc3\xa9", std::string_view("a\0b", 3)) ==
        std::string("DSSEv1 2 \xc3\xa9 3 a\0b", 17));
  // dsse/protocol.md, "Test Vectors": the point of its X and Y, and its r and s in DER
  const auto key = PublicKey::parse(R"(-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr
CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==
-----END PUBLIC KEY-----
)",
                                    "vector");
  REQUIRE(key);
  CHECK(key->kind() == KeyKind::ecdsa_p256);
  std::string signature;
  REQUIRE(
      base64_decode("MEQCIANyarEBrVbCdjtsaqyOSHJ14qeRk6CdxfhZ2fjvPEo7AiBR6rDAajabZKciJTfUiHqJPcIAriEGAHTVeCUj"
                    "W2JIZA==",
                    signature));
  CHECK(key->verifies(dsse_encoding("http://example.com/HelloWorld", "hello world"), signature));
  CHECK_FALSE(key->verifies(dsse_encoding("http://example.com/HelloWorld", "hello worle"), signature));
  CHECK_FALSE(key->verifies(dsse_encoding("http://example.com/HelloWorld", "hello world"), signature + '\0'));
}

TEST_CASE("a signature is the golden one, byte for byte") {
  const PrivateKey key = private_key(k_ed25519_private);
  CHECK(key.public_key().pem() == k_ed25519_public);
  CHECK(sign_version(k_version, key).value() == k_golden_bundle);
  const auto bundle = decode_signature_bundle(k_golden_bundle);
  REQUIRE(bundle);
  CHECK(bundle->key_hint == key.public_key().hint());
  CHECK(verify_signature(*bundle, k_version, key.public_key()));
  // RFC 8032 section 7.1, test 1
  std::string known;
  REQUIRE(base64_decode(
      "5VZDAMNgrHKQhuLMgG6CioSHfx645dl02HPgZSJJAVVfuIIVkKM7rMYeOXAc+bRr0lv18FlbviRlUUFDjnoQCw==", known));
  CHECK(key.sign("").value() == known);
}

TEST_CASE("ECDSA keys of both curves sign and verify") {
  for (const std::string_view pem : {k_p256_private, k_p384_private}) {
    const PrivateKey key = private_key(pem);
    const std::string bundle = sign_version(k_version, key).value();
    CHECK(code_of(bundle, k_version, public_of(key)) == k_passed);
    CHECK(code_of(bundle, Sha256::of("other"), public_of(key)) == ErrorCode::signature_invalid);
  }
  CHECK(private_key(k_p384_private).public_key().kind() == KeyKind::ecdsa_p384);
}

TEST_CASE("a key of another kind or another owner verifies nothing") {
  const PrivateKey ed = private_key(k_ed25519_private), p256 = private_key(k_p256_private),
                   p384 = private_key(k_p384_private);
  for (const PrivateKey* signer : {&ed, &p256, &p384})
    for (const PrivateKey* other : {&ed, &p256, &p384}) {
      const ErrorCode expected = signer == other ? k_passed : ErrorCode::signature_invalid;
      CHECK(code_of(sign_version(k_version, *signer).value(), k_version, other->public_key()) == expected);
    }
  // the hint is nothing to rely on
  Json forged = Json::parse(sign_version(k_version, p256).value());
  forged["verificationMaterial"]["publicKey"]["hint"] = ed.public_key().hint();
  CHECK(code_of(forged.dump(), k_version, ed.public_key()) == ErrorCode::signature_invalid);
  CHECK(code_of(forged.dump(), k_version, p256.public_key()) == k_passed);
}

TEST_CASE("each changed byte of payload, type or signature breaks it") {
  for (const std::string_view pem : {k_ed25519_private, k_p256_private}) {
    const PrivateKey key = private_key(pem);
    const SignatureBundle good = decode_signature_bundle(sign_version(k_version, key).value()).value();
    REQUIRE(verify_signature(good, k_version, key.public_key()));
    for (std::string SignatureBundle::*field :
         {&SignatureBundle::payload, &SignatureBundle::payload_type, &SignatureBundle::signature})
      for (std::size_t i = 0; i < (good.*field).size(); ++i) {
        SignatureBundle changed = good;
        (changed.*field)[i] = static_cast<char>((changed.*field)[i] ^ 1);
        CHECK_FALSE(verify_signature(changed, k_version, key.public_key()));
      }
    SignatureBundle cut = good;
    cut.signature.pop_back();
    CHECK_FALSE(verify_signature(cut, k_version, key.public_key()));
    SignatureBundle moved = good; // a byte goes from the payload to its type
    moved.payload_type += moved.payload.front();
    moved.payload.erase(0, 1);
    CHECK_FALSE(verify_signature(moved, k_version, key.public_key()));
  }
}

TEST_CASE("what is signed must say that this version is signed") {
  const PrivateKey key = private_key(k_ed25519_private);
  const auto code = [&](std::string_view payload, std::string_view type = k_statement_media_type) {
    return code_of(signed_bundle(key, type, payload), k_version, key.public_key());
  };
  const std::string other = Sha256::of("other").hex(), hex = k_version.hex();
  CHECK(code(statement("{}")) == k_passed);
  CHECK(code(statement(R"({"subject":[{"digest":{"sha256":")" + other +
                       R"("}},{"name":"x","digest":{"sha256":")" + hex + R"("},"annotations":{}}]})")) ==
        k_passed);
  for (const std::string& changes : {std::string(R"({"subject":[{"digest":{"sha256":")" + other + "\"}}]}"),
                                     std::string(R"({"subject":[{"digest":{"sha512":")" + hex + "\"}}]}"),
                                     std::string(R"({"subject":[{"digest":{"sha256":["x"]}}, null, 7]})"),
                                     std::string(R"({"subject":[]})"), std::string(R"({"subject":null})"),
                                     std::string(R"({"subject":{"digest":{}}})"),
                                     std::string(R"({"predicateType":"https://slsa.dev/provenance/v1"})"),
                                     std::string(R"({"predicateType":null})"),
                                     std::string(R"({"_type":"https://in-toto.io/Statement/v0.1"})")}) {
    INFO(changes);
    CHECK(code(statement(changes)) == ErrorCode::signature_invalid);
  }
  CHECK(code(statement("{}"), "application/json") == ErrorCode::signature_invalid);
  CHECK(code("[]") == ErrorCode::signature_invalid);
  CHECK(code("not json") == ErrorCode::signature_invalid);
  const std::string twice = statement("{}");
  CHECK(code(twice.substr(0, twice.size() - 1) + R"(,"subject":[]})") == ErrorCode::signature_invalid);
}

TEST_CASE("bundles that break the format are refused") {
  const Json good = Json::parse(k_golden_bundle);
  const auto refused = [&](const std::function<void(Json&)>& spoil) {
    Json bad = good;
    spoil(bad);
    const auto decoded = decode_signature_bundle(bad.dump());
    return !decoded && decoded.error().code == ErrorCode::signature_invalid;
  };
  CHECK_FALSE(refused([](Json&) {}));
  CHECK_FALSE(refused([](Json& b) { b["verificationMaterial"].erase("tlogEntries"); }));
  CHECK(refused([](Json& b) { b["mediaType"] = "application/vnd.dev.sigstore.bundle.v0.4+json"; }));
  CHECK(refused([](Json& b) { b.erase("mediaType"); }));
  CHECK(refused([](Json& b) { b["verificationMaterial"] = Json{{"certificate", {{"rawBytes", "AAAA"}}}}; }));
  CHECK(refused([](Json& b) { b["verificationMaterial"]["publicKey"] = "x"; }));
  CHECK(refused([](Json& b) { b["verificationMaterial"]["publicKey"]["hint"] = 7; }));
  CHECK(refused([](Json& b) { b.erase("verificationMaterial"); }));
  CHECK(refused([](Json& b) { b["messageSignature"] = Json::object(); }));
  CHECK(refused([](Json& b) { b.erase("dsseEnvelope"); }));
  CHECK(refused([](Json& b) { b["dsseEnvelope"]["signatures"] = Json::array(); }));
  CHECK(refused(
      [](Json& b) { b["dsseEnvelope"]["signatures"].push_back(b["dsseEnvelope"]["signatures"][0]); }));
  CHECK(refused([](Json& b) { b["dsseEnvelope"]["signatures"][0] = "x"; }));
  CHECK(refused([](Json& b) { b["dsseEnvelope"]["signatures"][0]["sig"] = ""; }));
  CHECK(refused(
      [](Json& b) { b["dsseEnvelope"]["signatures"][0]["sig"] = base64_encode(std::string(513, 'x')); }));
  CHECK(refused([](Json& b) { b["dsseEnvelope"].erase("payloadType"); }));
  for (const char* base64 : {"e30", "e30=\n", "e31=", "e3-_", " e30=", "e30==="})
    CHECK(refused([&](Json& b) { b["dsseEnvelope"]["payload"] = base64; }));
  std::string twice(k_golden_bundle);
  twice.insert(1, R"("mediaType":"x",)");
  CHECK_FALSE(decode_signature_bundle(twice));
  CHECK_FALSE(
      decode_signature_bundle(std::string(k_max_signature_bytes, ' ') + std::string(k_golden_bundle)));
  CHECK_FALSE(decode_signature_bundle(std::string(100, '[')));
  CHECK_FALSE(decode_signature_bundle("7"));
}

TEST_CASE("an artifact is the manifest that cosign looks for, and belongs to one version") {
  const SignatureArtifact artifact = make_signature_artifact({k_version, 2}, std::string(k_golden_bundle));
  CHECK(
      artifact.manifest ==
      R"({"annotations":{"dev.sigstore.bundle.content":"dsse-envelope","dev.sigstore.bundle.predicateType":"https://sigstore.dev/cosign/sign/v1"},"artifactType":"application/vnd.dev.sigstore.bundle.v0.3+json","config":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.oci.empty.v1+json","size":2},"layers":[{"digest":"sha256:448b7f6a572a137054bb0b4966e41a1ad9d40a3db79cd0fe8662b303a3fec0c6","mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json","size":644}],"mediaType":"application/vnd.oci.image.manifest.v1+json","schemaVersion":2,"subject":{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.oci.image.manifest.v1+json","size":2}})");
  const auto claim = decode_signature_manifest(artifact.manifest, k_version);
  REQUIRE(claim);
  CHECK(claim->digest == Sha256::of(k_golden_bundle));
  CHECK(claim->size == k_golden_bundle.size());
  CHECK_FALSE(decode_signature_manifest(artifact.manifest, Sha256::of("other")));
  const auto refused = [&](const std::function<void(Json&)>& spoil) {
    Json bad = Json::parse(artifact.manifest);
    spoil(bad);
    const auto decoded = decode_signature_manifest(bad.dump(), k_version);
    return !decoded && decoded.error().code == ErrorCode::signature_invalid;
  };
  CHECK(refused([](Json& m) { m.erase("subject"); }));
  CHECK(refused([](Json& m) { m["subject"]["digest"] = "sha256:x"; }));
  CHECK(refused([](Json& m) { m["layers"].push_back(m["layers"][0]); }));
  CHECK(refused([](Json& m) { m["layers"] = Json::array(); }));
  CHECK(refused([](Json& m) { m["manifests"] = Json::array(); }));
  CHECK(refused([](Json& m) { m["mediaType"] = k_index_media_type; }));
  CHECK(refused([](Json& m) { m["layers"][0]["mediaType"] = "application/spdx+json"; }));
  CHECK(refused([](Json& m) { m["layers"][0]["size"] = k_max_signature_bytes + 1; }));
  CHECK(refused([](Json& m) { m["layers"][0]["size"] = -1; }));
  CHECK(refused([](Json& m) { m["layers"][0]["digest"] = "../../x"; }));
}

TEST_CASE("the prehashed kind of Ed25519 that cosign makes by default is refused by its name") {
  // Ed25519ph (RFC 8032, 5.1) of the golden bundle's content by its key, by an independent program.
  Json bundle = Json::parse(k_golden_bundle);
  bundle["dsseEnvelope"]["signatures"][0]["sig"] =
      "jouotBZU9P8rlB/ybXZdZ9tMq7Sz/YrWOE7Kqb2mr2fmnF+Mg1HH6K8u9EvBP6QU94GwV6kJM4TMamv6d4uUCA==";
  const PublicKey key = PublicKey::parse(k_ed25519_public, "mine").value();
  const auto decoded = decode_signature_bundle(bundle.dump());
  REQUIRE(decoded);
  const auto refused = verify_signature(*decoded, k_version, key);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::signature_invalid);
  CHECK(refused.error().message.find("Ed25519ph") != std::string::npos);
}

TEST_CASE("of several signatures and keys one pair is enough") {
  const PrivateKey mine = private_key(k_ed25519_private), theirs = private_key(k_p256_private);
  const auto artifact = [&](const std::string& bundle) {
    return make_signature_artifact({k_version, 2}, bundle);
  };
  std::vector<PublicKey> keys;
  keys.push_back(public_of(theirs, "theirs"));
  keys.push_back(public_of(mine, "mine"));
  const auto missing = check_signatures({}, k_version, keys);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::signature_missing);
  const std::string good = sign_version(k_version, mine).value();
  const auto verdict = check_signatures({artifact("{}"), artifact(good)}, k_version, keys);
  REQUIRE(verdict);
  CHECK(verdict->key->name() == "mine");
  keys.pop_back();
  const auto wrong = check_signatures({artifact("{}"), artifact(good)}, k_version, keys);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == ErrorCode::signature_invalid);
  CHECK(wrong.error().notes.size() == 2);
  CHECK(wrong.error().notes.back() == "it is not by the key theirs");
}

TEST_CASE("the store keeps signatures beside their version") {
  const Folder folder;
  write_small_model(folder);
  Store store = Store::open(folder.path / "store").value();
  const Digest version = pack_directory(store, folder.path / "model", {}).value().digest;
  const PrivateKey key = private_key(k_ed25519_private);
  const SignatureArtifact signature =
      make_signature_artifact({version, 7}, sign_version(version, key).value());
  CHECK(kept_signatures(store, version).value().empty());
  REQUIRE(keep_signature(*store.begin_write().value(), signature, version));
  const auto kept = kept_signatures(store, version);
  REQUIRE(kept);
  REQUIRE(kept->size() == 1);
  CHECK(kept->front().manifest == signature.manifest);
  CHECK(kept->front().bundle == signature.bundle);
  CHECK(store.collect_garbage().value().blobs.empty());
  CHECK(check_whole(folder.path / "store") == 1);
  folder.write("store/blobs/sha256/" + Sha256::of(signature.bundle).hex(), "spoiled");
  CHECK(kept_signatures(store, version).value().empty());
}

TEST_CASE("keys are single PEM blocks of the kinds that are used") {
  const auto refused = [](std::string_view pem, bool is_private) {
    const ErrorCode code = is_private ? PrivateKey::parse(pem, "k", &no_passphrase).error().code
                                      : PublicKey::parse(pem, "k").error().code;
    return code == ErrorCode::key_invalid;
  };
  // a point may be compressed in the file: the hint is that of the other form
  const auto compressed = PublicKey::parse(R"(-----BEGIN PUBLIC KEY-----
MDkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDIgACAIpog6j/rfKow9ScYbd0grbKTFBV
YHodtP989bcc5PU=
-----END PUBLIC KEY-----)",
                                           "k");
  REQUIRE(compressed);
  CHECK(compressed->hint() == private_key(k_p256_private).public_key().hint());
  const auto sec1 = PrivateKey::parse(R"(-----BEGIN EC PARAMETERS-----
BggqhkjOPQMBBw==
-----END EC PARAMETERS-----
-----BEGIN EC PRIVATE KEY-----
MHcCAQEEID9YqDUXDmsHRGR14wtbmjbhQfx4kk3BGPp4xbEULoDXoAoGCCqGSM49
AwEHoUQDQgAEMRF3rx7z02Fl3JwYwnqpAZZhmrBtRmAudTd6xR5/YuXUmRPdonSb
SFjeLkjj6uWxSN+tf6W7qeOCstEXbJAmAg==
-----END EC PRIVATE KEY-----)",
                                      "k", &no_passphrase);
  CHECK(sec1);
  // its public half belongs to another private one
  std::string torn(k_p256_private);
  torn.replace(torn.find("5j8aHs"), 6, "5n8aHs");
  CHECK(refused(torn, true));
  CHECK(refused(k_ed25519_private, false));
  CHECK(refused(k_ed25519_public, true));
  CHECK(refused(std::string(k_ed25519_public) + std::string(k_ed25519_public), false));
  CHECK(refused("", false));
  CHECK(refused("-----BEGIN PUBLIC KEY-----", false));
  CHECK(refused("-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----\n", false));
  CHECK(refused("-----BEGIN PRIVATE KEY-----\nMCow\n-----END PRIVATE KEY-----\n", true));
  CHECK(refused(std::string(k_max_key_bytes + 1, 'x'), false));
  CHECK(refused(std::string(k_max_key_bytes + 1, 'x'), true));
  CHECK(refused("-----BEGIN CERTIFICATE-----\nMCow\n-----END CERTIFICATE-----\n", true));
  // a curve in numbers
  CHECK(refused(R"(-----BEGIN PUBLIC KEY-----
MIIBSzCCAQMGByqGSM49AgEwgfcCAQEwLAYHKoZIzj0BAQIhAP////8AAAABAAAA
AAAAAAAAAAAA////////////////MFsEIP////8AAAABAAAAAAAAAAAAAAAA////
///////////8BCBaxjXYqjqT57PrvVV2mIa8ZR0GsMxTsPY7zjw+J9JgSwMVAMSd
NgiG5wSTamZ44ROdJreBn36QBEEEaxfR8uEsQkf4vOblY6RA8ncDfYEt6zOg9KE5
RdiYwpZP40Li/hp/m47n60p8D54WK84zV2sxXs7LtkBoN79R9QIhAP////8AAAAA
//////////+85vqtpxeehPO5ysL8YyVRAgEBA0IABACKaIOo/63yqMPUnGG3dIK2
ykxQVWB6HbT/fPW3HOT1S9PQhjo98jpts3JX27Gh1pzgeHCKUaolsqj/uQeek8Q=
-----END PUBLIC KEY-----)",
                false));
  CHECK(refused(R"(-----BEGIN PRIVATE KEY-----
MEcCAQAwBQYDK2VxBDsEOcWN/x2BO1gvTqWVpSUVcp4pxZjdciV5OTz5WEeuJ92K
9uFYQ73XGO4MEqqELlRvEEJR6oP9UIi3sg==
-----END PRIVATE KEY-----)",
                true)); // Ed448
  const auto cosign =
      PrivateKey::parse("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\neyJrZGYi\n-----END ENCRYPTED "
                        "SIGSTORE PRIVATE KEY-----\n",
                        "cosign.key", &no_passphrase);
  REQUIRE_FALSE(cosign);
  CHECK(cosign.error().hint.find("import-key-pair") != std::string::npos);
  CHECK(PublicKey::read("/no/such/file").error().code == ErrorCode::key_invalid);
}

TEST_CASE("an encrypted key asks once, and says when the passphrase is wrong") {
  constexpr std::string_view pem = R"(-----BEGIN ENCRYPTED PRIVATE KEY-----
MIGbMFcGCSqGSIb3DQEFDTBKMCkGCSqGSIb3DQEFDDAcBAhmRN4UCIdffQICCAAw
DAYIKoZIhvcNAgkFADAdBglghkgBZQMEASoEEHd2n8sRtMoGEQdleEOgEYIEQIXS
UKiRIbL7JOuCzoU+/BvvDxeC/qmFLCIcCPrSdtTAMQ80Ey0PPfl+7vWazPlXJkOO
pRZp7FPBhaH6c9q58rA=
-----END ENCRYPTED PRIVATE KEY-----)";
  int asked = 0;
  const auto with = [&](std::string passphrase) {
    return PrivateKey::parse(pem, "k", [&asked, passphrase]() -> Result<std::string> {
      ++asked;
      return passphrase;
    });
  };
  CHECK(with("word"));
  CHECK(asked == 1);
  CHECK(with("wrong").error().code == ErrorCode::key_passphrase);
  CHECK(with("").error().code == ErrorCode::key_passphrase);
  CHECK(with(std::string(5000, 'x')).error().code == ErrorCode::key_passphrase);
  CHECK(PrivateKey::parse(pem, "k", &no_passphrase).error().message == "nobody is there");
}
