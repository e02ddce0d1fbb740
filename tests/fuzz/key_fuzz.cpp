// Keys in PEM: what is taken has one of the three kinds, and is written and read again as the same key.
#include "packager/signing/tests/test_keys.h"
#include "tests/fuzz/fuzz.h"

using namespace mrun;

namespace {

void check_public(const PublicKey& key) {
  const auto again = PublicKey::parse(key.pem(), "again");
  MRUN_CHECK(again.has_value() && again->hint() == key.hint() && again->kind() == key.kind());
  MRUN_CHECK(!key.verifies("a message", "no signature"));
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view pem = fuzz::text_of(data, size);
  if (const auto key = PublicKey::parse(pem, "a key"))
    check_public(*key);
  else
    fuzz::check_error(key.error());
  const auto key = PrivateKey::parse(pem, "a key", &testing::no_passphrase);
  if (!key) {
    fuzz::check_error(key.error());
    return 0;
  }
  check_public(key->public_key());
  const auto signature = key->sign("a message");
  if (signature) MRUN_CHECK(key->public_key().verifies("a message", *signature));
  return 0;
}
