#include <doctest/doctest.h>

#include "daemon/service/token_book.h"
#include "daemon/tests/service_fixture.h"
#include "packager/sha256.h"

using namespace mrun;
using mrun::testing::ServiceFixture;

namespace {

constexpr std::int64_t k_second_ns = 1'000'000'000;
constexpr std::int64_t k_now_ns = 1'700'000'000 * k_second_ns;

NewToken named(const std::string& name) {
  return {name, TokenScope::predict, std::nullopt};
}

} // namespace

TEST_CASE("a token's text is new each time and has 256 bits") {
  const std::string text = new_token_text();
  CHECK(text.size() == 5 + 64);
  CHECK(text.starts_with("mrun_"));
  CHECK(text != new_token_text());
}

TEST_CASE("who shows a token gets its scope until it expires or is revoked") {
  TokenBook book({});
  const Result<Token> made = book.make({"ci", TokenScope::read, 60}, "secret", k_now_ns);
  REQUIRE_MESSAGE(made, made.error().message);
  CHECK(made->hash == Sha256::of("secret"));
  CHECK_FALSE(made->last_use_ns);
  const Result<Token> shown = book.show("secret", k_now_ns + 59 * k_second_ns);
  REQUIRE(shown);
  CHECK(shown->scope == TokenScope::read);
  CHECK(book.list()[0].last_use_ns == k_now_ns + 59 * k_second_ns);
  for (const char* text : {"", "Secret", "secret ", "secre", "ci"})
    CHECK(book.show(text, k_now_ns).error().code == ErrorCode::token_invalid);
  const Result<Token> late = book.show("secret", k_now_ns + 60 * k_second_ns);
  REQUIRE_FALSE(late);
  CHECK(late.error().code == ErrorCode::token_invalid);
  CHECK(late.error().message.starts_with("the token 'ci' expired at 2023-11-14T22:14:20"));
  REQUIRE(book.remove("ci"));
  CHECK(book.show("secret", k_now_ns).error().message ==
        "the token is not known: it was revoked, or never made here");
}

TEST_CASE("names are unique and plain, lifetimes are sane") {
  TokenBook book({});
  REQUIRE(book.make(named("my-app.2_x"), "a", k_now_ns));
  const auto again = book.make(named("my-app.2_x"), "b", k_now_ns);
  REQUIRE_FALSE(again);
  CHECK(again.error().code == ErrorCode::token_exists);
  CHECK(book.remove("my-ap.2_x").error().hint == "did you mean `my-app.2_x`?");
  CHECK(book.remove("my-ap.2_x").error().code == ErrorCode::token_not_found);
  for (const std::string& name : {std::string(), std::string("-x"), std::string("a b"), std::string("a/b"),
                                  std::string("ü"), std::string(65, 'a'), std::string("a\0b", 3)})
    CHECK(book.make(named(name), "c", k_now_ns).error().code == ErrorCode::body_invalid);
  for (const std::int64_t lifetime_s : {std::int64_t{0}, std::int64_t{-1}, INT64_MAX})
    CHECK(book.make({"x", TokenScope::read, lifetime_s}, "c", k_now_ns).error().code ==
          ErrorCode::body_invalid);
}

TEST_CASE("there is an end to how many tokens there are") {
  TokenBook book({});
  for (std::size_t i = 0; i < k_max_tokens; ++i)
    REQUIRE(book.make(named("t" + std::to_string(i)), "text" + std::to_string(i), k_now_ns));
  const auto more = book.make(named("more"), "x", k_now_ns);
  REQUIRE_FALSE(more);
  CHECK(more.error().code == ErrorCode::body_invalid);
  CHECK(book.show("text999", k_now_ns)->name == "t999");
}

TEST_CASE("tokens outlive the daemon, as hashes only") {
  ServiceFixture fixture;
  const auto made = fixture.ask<MadeToken>(
      [&](Callback<MadeToken> done) { fixture.service->create_token(named("app"), done); });
  REQUIRE_MESSAGE(made, made.error().message);
  REQUIRE(fixture.service->show_token(made->text));
  const auto gone = fixture.ask<MadeToken>(
      [&](Callback<MadeToken> done) { fixture.service->create_token(named("gone"), done); });
  REQUIRE(fixture.ask<Token>([&](Callback<Token> done) { fixture.service->revoke_token("gone", done); }));
  CHECK(fixture.service->show_token(gone->text).error().code == ErrorCode::token_invalid);
  fixture.stop();
  fixture.start();
  const std::vector<Token> tokens = fixture.service->list_tokens();
  REQUIRE(tokens.size() == 1);
  CHECK(tokens[0].name == "app");
  CHECK(tokens[0].hash == Sha256::of(made->text));
  CHECK(tokens[0].last_use_ns);
  CHECK(*fixture.service->show_token(made->text) == TokenScope::predict);
  CHECK_FALSE(fixture.service->show_token(gone->text));
}
