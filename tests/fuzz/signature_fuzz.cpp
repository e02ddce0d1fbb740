// Signatures: the bundle, the manifest that carries it, and the proof.
#include "packager/sha256.h"
#include "packager/signing/signature_artifact.h"
#include "packager/signing/tests/test_keys.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_manifest(std::string_view text, const Digest& version) {
  const auto signed_one = signed_version(text);
  const auto claim = decode_signature_manifest(text, version);
  if (!claim) return fuzz::check_error(claim.error());
  MRUN_CHECK(claim->size <= k_max_signature_bytes);
  MRUN_CHECK(!signed_one || *signed_one == version);
  MRUN_CHECK(!decode_signature_manifest(text, Digest()).has_value()); // it is of one version
}

void check_bundle(std::string_view text, const Digest& version, const PublicKey& key) {
  const auto bundle = decode_signature_bundle(text);
  if (!bundle) return fuzz::check_error(bundle.error());
  if (const auto verified = verify_signature(*bundle, version, key); !verified)
    return fuzz::check_error(verified.error());
  MRUN_CHECK(!verify_signature(*bundle, Digest(), key).has_value());
  SignatureBundle other = *bundle;
  other.payload += ' ';
  MRUN_CHECK(!verify_signature(other, version, key).has_value());
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Digest version = Sha256::of("{}");
  static const PublicKey key = PublicKey::parse(testing::k_ed25519_public, "a key").value();
  const std::vector<std::string_view> texts = fuzz::texts_of(fuzz::text_of(data, size), 2);
  check_bundle(texts[0], version, key);
  check_manifest(texts[1], version);
  return 0;
}
