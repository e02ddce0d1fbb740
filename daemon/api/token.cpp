#include "daemon/api/token.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/limits.h"

namespace mrun {
namespace {

constexpr std::array<std::string_view, 3> k_scope_names = {"read", "predict", "admin"};
constexpr std::string_view k_token_prefix = "mrun_";

bool is_alphanumeric(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

Json time_or_null(const std::optional<std::int64_t>& wall_ns) {
  return wall_ns ? Json(rfc3339_utc(*wall_ns)) : Json(nullptr);
}

} // namespace

std::string_view scope_name(TokenScope scope) {
  return k_scope_names[static_cast<std::size_t>(scope)];
}

bool find_scope(std::string_view name, TokenScope& scope) {
  const auto found = std::ranges::find(k_scope_names, name);
  if (found == k_scope_names.end()) return false;
  scope = static_cast<TokenScope>(found - k_scope_names.begin());
  return true;
}

std::string new_token_text() {
  Digest::Bytes bytes{};
  // Never fails for so few bytes once the system's pool is ready (getrandom(2)).
  MRUN_CHECK(::getrandom(bytes.data(), bytes.size(), 0) == static_cast<ssize_t>(bytes.size()));
  return fmt::format("{}{}", k_token_prefix, Digest(bytes).hex());
}

bool is_token_name(std::string_view text) {
  return !text.empty() && text.size() <= k_max_token_name_bytes && is_alphanumeric(text.front()) &&
         std::ranges::all_of(text,
                             [](char c) { return is_alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

Json token_json(const Token& token, std::int64_t now_ns) {
  return {{"name", token.name},
          {"scope", scope_name(token.scope)},
          {"created_at", rfc3339_utc(token.created_ns)},
          {"expires_at", time_or_null(token.expires_ns)},
          {"last_used_at", time_or_null(token.last_use_ns)},
          {"expired", token.expires_ns && *token.expires_ns <= now_ns}};
}

} // namespace mrun
