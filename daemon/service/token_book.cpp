#include "daemon/service/token_book.h"

#include <fmt/format.h>

#include "common/clock.h"
#include "common/limits.h"
#include "common/text.h"
#include "packager/sha256.h"

namespace mrun {
namespace {

constexpr std::int64_t k_second_ns = 1'000'000'000;
constexpr std::int64_t k_max_lifetime_s = std::int64_t{100} * 366 * 24 * 3600;

// In a time that does not hang on where they differ.
bool same_hash(const Digest& a, const Digest& b) {
  unsigned difference = 0;
  for (std::size_t i = 0; i < a.bytes().size(); ++i)
    difference |= static_cast<unsigned>(a.bytes()[i] ^ b.bytes()[i]);
  return difference == 0;
}

} // namespace

TokenBook::TokenBook(std::vector<Token> tokens) {
  for (Token& token : tokens)
    add(std::move(token));
}

Result<Token> TokenBook::make(const NewToken& wanted, std::string_view text, std::int64_t now_ns) {
  if (!is_token_name(wanted.name))
    return fail(ErrorCode::body_invalid,
                fmt::format("`{}` is not a token's name", printable(wanted.name, 80)),
                fmt::format("a letter or digit, then letters, digits, `.`, `_` and `-`, at most {} bytes",
                            k_max_token_name_bytes));
  if (wanted.lifetime_s && (*wanted.lifetime_s < 1 || *wanted.lifetime_s > k_max_lifetime_s))
    return fail(ErrorCode::body_invalid, fmt::format("a token can't live for {} seconds", *wanted.lifetime_s),
                "give 1 second to 100 years, or null: it never expires");
  if (m_tokens.contains(wanted.name))
    return fail(ErrorCode::token_exists, fmt::format("there is a token '{}'", wanted.name),
                fmt::format("choose another name, or `mrun token revoke {}` first", wanted.name));
  if (m_tokens.size() >= k_max_tokens)
    return fail(ErrorCode::body_invalid, fmt::format("there are {} tokens already", m_tokens.size()),
                "revoke those that nobody uses: `mrun token ls`");
  Token token;
  token.name = wanted.name;
  token.hash = Sha256::of(text);
  token.scope = wanted.scope;
  token.created_ns = now_ns;
  if (wanted.lifetime_s) token.expires_ns = now_ns + *wanted.lifetime_s * k_second_ns;
  add(token);
  return token;
}

Result<Token> TokenBook::remove(const std::string& name) {
  const auto found = m_tokens.find(name);
  if (found != m_tokens.end()) return std::move(m_tokens.extract(found).mapped());
  std::vector<std::string> names;
  for (const auto& [known, token] : m_tokens)
    names.push_back(known);
  const std::string near = nearest(name, names);
  return fail(ErrorCode::token_not_found, fmt::format("there is no token '{}'", printable(name, 80)),
              near.empty() ? "" : fmt::format("did you mean `{}`?", near));
}

Result<Token> TokenBook::show(std::string_view text, std::int64_t now_ns) {
  const Digest hash = Sha256::of(text);
  Token* shown = nullptr;
  for (auto& [name, token] : m_tokens)
    if (same_hash(token.hash, hash)) shown = &token;
  if (shown == nullptr)
    return fail(ErrorCode::token_invalid, "the token is not known: it was revoked, or never made here");
  if (shown->expires_ns && *shown->expires_ns <= now_ns)
    return fail(ErrorCode::token_invalid,
                fmt::format("the token '{}' expired at {}", shown->name, rfc3339_utc(*shown->expires_ns)));
  shown->last_use_ns = now_ns;
  return *shown;
}

std::vector<Token> TokenBook::list() const {
  std::vector<Token> all;
  for (const auto& [name, token] : m_tokens)
    all.push_back(token);
  return all;
}

} // namespace mrun
