#include <doctest/doctest.h>

#include "common/digest.h"

using namespace mrun;

TEST_CASE("a digest survives the round trip") {
  const std::string text = "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a";
  const Digest digest = Digest::parse(text).value();
  CHECK(digest.text() == text);
  CHECK(digest.short_hex() == "44136fa355b3");
}

TEST_CASE("anything that is not exactly sha256 and 64 lower-case digits is refused") {
  const std::string hex(64, 'a');
  for (const std::string& text : {std::string(), hex, "sha256:" + hex + "a", "sha256:" + hex.substr(1),
                                  "SHA256:" + hex, "sha512:" + hex, "sha256:" + std::string(64, 'A'),
                                  "sha256:../../" + std::string(58, 'a'), "sha256:" + hex + "\n"})
    CHECK(Digest::parse(text).error().code == ErrorCode::bundle_invalid);
}

TEST_CASE("what is refused is shown without control characters") {
  for (const char* text : {"\x1b[31msha256:", "sha256:\x1b]0;title\x07"})
    CHECK(Digest::parse(text).error().message.find('\x1b') == std::string::npos);
}

TEST_CASE("a prefix has 8 to 64 digits") {
  CHECK(is_digest_prefix("0123abcd"));
  CHECK_FALSE(is_digest_prefix("0123abc"));
  CHECK_FALSE(is_digest_prefix("0123ABCD"));
  CHECK_FALSE(is_digest_prefix(std::string(65, 'a')));
}
