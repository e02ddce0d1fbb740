// Tokens of the TCP door: what a program shows there in place of the socket's file mode.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "common/digest.h"
#include "common/json.h"

namespace mrun {

// Each allows what those before it do.
enum class TokenScope { read, predict, admin };

std::string_view scope_name(TokenScope scope);
bool find_scope(std::string_view name, TokenScope& scope);

// What is kept of a token. Its text is told once, to who made it.
struct Token {
  std::string name;
  Digest hash; // sha256 of the text
  TokenScope scope = TokenScope::predict;
  std::int64_t created_ns = 0;             // wall clock, ns since 1970
  std::optional<std::int64_t> expires_ns;  // never, when empty
  std::optional<std::int64_t> last_use_ns; // to about a minute
};

struct NewToken {
  std::string name;
  TokenScope scope = TokenScope::predict;
  std::optional<std::int64_t> lifetime_s; // never expires, when empty
};

// `mrun_` (by which scanners of leaked secrets know it) and 256 random bits as 64 hex digits.
std::string new_token_text();

// A letter or digit, then letters, digits, `.`, `_` and `-`, at most k_max_token_name_bytes.
bool is_token_name(std::string_view text);

// {name, scope, created_at, expires_at, last_used_at, expired}; never the hash.
Json token_json(const Token& token, std::int64_t now_ns);

} // namespace mrun
