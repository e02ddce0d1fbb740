#include "packager/registry/auth.h"

#include <algorithm>

#include <fmt/format.h>

#include "common/json.h"
#include "common/text.h"
#include "packager/registry/retry.h"
#include "packager/registry/token_servers.h"
#include "packager/registry_host.h"

namespace mrun {
namespace {

constexpr std::size_t k_max_token_reply_bytes = 1024 * 1024;
constexpr std::int64_t k_default_lifetime_s = 60; // token.md: when expires_in is absent
constexpr std::int64_t k_max_lifetime_s = 24 * 3600;
constexpr std::string_view k_client_id = "mrun";

// ---- the header's grammar: scheme SP name=value, … ; several challenges may share a line
// ------------------------

struct Scanner {
  std::string_view rest;

  void skip(std::string_view characters) {
    while (!rest.empty() && characters.find(rest.front()) != std::string_view::npos)
      rest.remove_prefix(1);
  }
  std::string_view token() {
    std::size_t n = 0;
    while (n < rest.size() && std::string_view(" \t,=\"").find(rest[n]) == std::string_view::npos)
      ++n;
    const std::string_view word = rest.substr(0, n);
    rest.remove_prefix(n);
    return word;
  }
  std::string value() {
    if (rest.empty() || rest.front() != '"') return std::string(token());
    rest.remove_prefix(1);
    std::string text;
    while (!rest.empty() && rest.front() != '"') {
      if (rest.front() == '\\' && rest.size() > 1) rest.remove_prefix(1);
      text += rest.front();
      rest.remove_prefix(1);
    }
    if (!rest.empty()) rest.remove_prefix(1);
    return text;
  }
};

struct RawChallenge {
  std::string scheme; // lower case
  std::map<std::string, std::string> parameters;
};

void scan_header(std::string_view header, std::vector<RawChallenge>& out) {
  Scanner scanner{header};
  while (true) {
    scanner.skip(" \t,");
    if (scanner.rest.empty()) return;
    const std::string word = lower_ascii(scanner.token());
    if (word.empty()) return; // not the grammar: what was read counts
    scanner.skip(" \t");
    if (scanner.rest.starts_with('=') && !out.empty()) {
      scanner.rest.remove_prefix(1);
      scanner.skip(" \t");
      out.back().parameters.emplace(word, scanner.value());
    } else {
      out.push_back({word, {}});
    }
  }
}

std::string basic_header(const Credential& credential) {
  return "Basic " + base64_encode(credential.username + ":" + credential.secret);
}

bool is_header_safe(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > 0x20 && c < 0x7f; });
}

} // namespace

std::optional<Challenge> parse_challenges(const std::vector<std::string>& headers) {
  std::vector<RawChallenge> found;
  for (const std::string& header : headers)
    scan_header(header, found);
  for (const std::string_view scheme : {"bearer", "basic"})
    for (RawChallenge& raw : found) {
      if (raw.scheme != scheme) continue;
      Challenge challenge{scheme == "bearer", raw.parameters["realm"], raw.parameters["service"],
                          raw.parameters["scope"]};
      if (!challenge.bearer || !challenge.realm.empty()) return challenge;
    }
  return std::nullopt;
}

Result<TokenReply> parse_token(std::string_view body, std::string_view what) {
  MRUN_ASSIGN(const Json json,
              parse_json(body, ErrorCode::registry_reply, what, {k_max_token_reply_bytes, 16}));
  if (!json.is_object()) return fail(ErrorCode::registry_reply, fmt::format("{} is not a JSON object", what));
  MRUN_ASSIGN(auto token, json_string(json, "token", ErrorCode::registry_reply, what));
  if (!token || token->empty()) {
    MRUN_ASSIGN(token, json_string(json, "access_token", ErrorCode::registry_reply, what));
  }
  if (!token || token->empty() || !is_header_safe(*token))
    return fail(ErrorCode::registry_reply, fmt::format("{} is missing or no token", what));
  MRUN_ASSIGN(const auto refresh, json_string(json, "refresh_token", ErrorCode::registry_reply, what));
  const auto expires = json.find("expires_in");
  const std::int64_t lifetime_s = expires != json.end() && expires->is_number_integer()
                                      ? expires->get<std::int64_t>()
                                      : k_default_lifetime_s;
  return TokenReply{std::move(*token), refresh.value_or(""),
                    std::clamp<std::int64_t>(lifetime_s, 1, k_max_lifetime_s)};
}

std::string repository_scope(std::string_view repository, bool push) {
  return repository.empty() ? "" : fmt::format("repository:{}:{}", repository, push ? "pull,push" : "pull");
}

Authenticator::Authenticator(Url registry, Credentials credentials, std::string repository,
                             const Clock& clock)
    : m_registry(std::move(registry)),
      m_credentials(std::move(credentials)),
      m_repository(std::move(repository)),
      m_clock(clock) {}

void Authenticator::use(Credential credential) {
  const std::scoped_lock lock(m_mutex);
  m_credential = std::move(credential);
  m_looked = true;
}

void Authenticator::trust_token_servers(std::vector<std::string> servers) {
  const std::scoped_lock lock(m_mutex);
  m_token_servers = std::move(servers);
}

void Authenticator::ask_about_strangers(std::function<bool(const std::string& server)> ask) {
  const std::scoped_lock lock(m_mutex);
  m_ask = std::move(ask);
}

void Authenticator::offer() {
  const std::scoped_lock lock(m_mutex);
  m_basic = true;
}

bool Authenticator::was_asked() const {
  const std::scoped_lock lock(m_mutex);
  return m_was_asked;
}

bool Authenticator::is_current(const std::string& scope) const {
  const auto token = m_tokens.find(scope);
  return token != m_tokens.end() && token->second.ends_ns > m_clock.monotonic_ns();
}

Result<std::string> Authenticator::header(HttpSession& session, const std::string& scope) {
  const std::scoped_lock lock(m_mutex);
  if (m_basic && m_credential) return basic_header(*m_credential);
  if (!is_current(scope)) {
    if (!m_asked) return "";
    MRUN_TRY(fetch_token(session, scope));
  }
  return m_tokens[scope].header;
}

Result<void> Authenticator::find_credential() {
  if (m_looked) return {};
  MRUN_ASSIGN(m_credential, m_credentials.find(m_registry.authority(), m_repository));
  m_looked = true;
  return {};
}

Result<void> Authenticator::answer(HttpSession& session, const HttpReply& refused, const std::string& scope,
                                   const std::string& used) {
  const std::scoped_lock lock(m_mutex);
  // Another thread may have got a new token meanwhile.
  if (is_current(scope) && m_tokens[scope].header != used) return {};
  const auto challenge = parse_challenges(refused.all_headers("www-authenticate"));
  if (!challenge)
    return fail(ErrorCode::registry_auth,
                fmt::format("{} wants credentials in a way that mrun does not know", m_registry.authority()));
  m_was_asked = true;
  MRUN_TRY(find_credential());
  if (!challenge->bearer) {
    if (!m_credential)
      return fail(ErrorCode::registry_auth,
                  fmt::format("{} wants a user and a password", m_registry.authority()),
                  fmt::format("mrun login {}", m_registry.authority()));
    if (m_basic && used == basic_header(*m_credential))
      return fail(ErrorCode::registry_auth,
                  fmt::format("{} does not take the user and password", m_registry.authority()),
                  fmt::format("mrun login {}", m_registry.authority()));
    m_basic = true;
    return {};
  }
  m_basic = false;
  if (m_credential && m_credential->kind == Credential::Kind::registry_token) {
    const std::string header = "Bearer " + m_credential->secret;
    if (used == header)
      return fail(ErrorCode::registry_auth,
                  fmt::format("{} does not take the token", m_registry.authority()));
    m_tokens[scope] = {header, INT64_MAX};
    return {};
  }
  m_asked = Asked{*challenge, refused.reach};
  return fetch_token(session, scope);
}

// A realm is asked over TLS, or over plain HTTP on this very machine when the registry is there, too; with
// credentials when it is near or named.
Result<void> Authenticator::check_realm(const Url& realm) {
  const bool plain_beside = m_registry.scheme == "http" && is_loopback_host(realm.host);
  if (realm.scheme != "https" && !plain_beside)
    return fail(ErrorCode::registry_url,
                fmt::format("{} sends you to {} for a token, over plain HTTP", m_registry.host, realm.host),
                "credentials are not sent unencrypted; tell the registry's operator");
  const std::string server = canonical_host(realm.authority());
  if (!m_credential || is_near(m_registry, realm) || std::ranges::count(m_token_servers, server) > 0)
    return {};
  if (m_ask && m_ask(server)) {
    m_token_servers.push_back(server);
    return {};
  }
  const std::string registry = m_registry.authority();
  return fail(ErrorCode::registry_url,
              fmt::format("{} wants your credentials to go to {}, a host that you did not name", registry,
                          printable(server, 200)),
              fmt::format("if it is the registry's: mrun login {} --token-server {}, or token_servers: in "
                          "config.yaml",
                          registry, printable(server, 200)));
}

// OAuth2's way (oauth.md): a secret in the body of a POST.
HttpRequest Authenticator::form(const std::string& grant, const std::string& scope) const {
  HttpRequest request{.method = "POST"};
  request.headers.emplace_back("Content-Type", "application/x-www-form-urlencoded");
  request.body = fmt::format("grant_type={}&client_id={}&service={}&scope={}", grant, k_client_id,
                             percent_encode(m_asked->challenge.service), percent_encode(scope));
  return request;
}

Result<HttpReply> Authenticator::ask_realm(HttpSession& session, const Url& realm, const std::string& scope) {
  const auto send = [&](HttpRequest request, const Url& url) {
    request.url = url.text();
    request.max_reply_bytes = k_max_token_reply_bytes;
    request.nearest = realm.same_origin(m_registry) ? AddressReach::special : m_asked->reach;
    request.headers.emplace_back("Accept", "application/json");
    return session.perform(request);
  };
  if (m_credential && m_credential->kind == Credential::Kind::identity_token) {
    HttpRequest request = form("refresh_token", scope);
    request.body += "&refresh_token=" + percent_encode(m_credential->secret);
    return send(std::move(request), realm);
  }
  Url url = realm;
  const auto add = [&url](std::string_view name, std::string_view value) {
    url.query += fmt::format("{}{}={}", url.query.empty() ? "" : "&", name, percent_encode(value));
  };
  if (!m_asked->challenge.service.empty()) add("service", m_asked->challenge.service);
  for (const std::string_view one : split(scope, ' '))
    if (!one.empty()) add("scope", one);
  HttpRequest request;
  if (m_credential) {
    add("account", m_credential->username);
    request.headers.emplace_back("Authorization", basic_header(*m_credential));
  }
  MRUN_ASSIGN(HttpReply reply, send(std::move(request), url));
  if (!m_credential || (reply.status != 404 && reply.status != 405)) return reply;
  request = form("password", scope); // a server that has only this way
  request.body += fmt::format("&username={}&password={}", percent_encode(m_credential->username),
                              percent_encode(m_credential->secret));
  return send(std::move(request), realm);
}

Result<HttpReply> Authenticator::ask_realm_again(HttpSession& session, const Url& realm,
                                                 const std::string& scope) {
  Retry retry(session.interrupt_fd());
  while (true) {
    Result<HttpReply> reply = ask_realm(session, realm, scope);
    const bool again = reply ? is_worth_retrying(*reply) : is_worth_retrying(reply.error());
    if (!again) return reply;
    MRUN_ASSIGN(const bool go_on, retry.again(reply ? retry_after(*reply) : std::nullopt));
    if (!go_on) return reply;
  }
}

tl::unexpected<Error> Authenticator::realm_refused(const HttpReply& reply, const Url& realm) const {
  if (reply.status == 401 || reply.status == 403 || reply.status == 400)
    return fail(ErrorCode::registry_auth,
                m_credential ? fmt::format("{} does not take the credentials for {}", realm.host,
                                           m_registry.authority())
                             : fmt::format("{} gives no access without credentials", m_registry.authority()),
                fmt::format("mrun login {}", m_registry.authority()));
  return fail(is_worth_retrying(reply) ? ErrorCode::registry_unavailable : ErrorCode::registry_reply,
              fmt::format("{} answered {} to the request for a token", realm.host, reply.status));
}

Result<Authenticator::Token> Authenticator::read_token(const HttpReply& reply, const Url& realm) {
  MRUN_ASSIGN(const TokenReply token, parse_token(reply.body, fmt::format("the token of {}", realm.host)));
  // The next request needs the new one.
  if (!token.refresh_token.empty() && m_credential && m_credential->kind == Credential::Kind::identity_token)
    m_credential->secret = token.refresh_token;
  // Nine tenths of its life: what is left is for the way and for clocks that differ.
  return Token{"Bearer " + token.token, m_clock.monotonic_ns() + token.lifetime_s * 900'000'000};
}

Result<void> Authenticator::fetch_token(HttpSession& session, const std::string& scope) {
  MRUN_ASSIGN(const Url realm, m_registry.resolve(m_asked->challenge.realm));
  MRUN_TRY(check_realm(realm));
  MRUN_ASSIGN(const HttpReply reply,
              ask_realm_again(session, realm, scope.empty() ? m_asked->challenge.scope : scope));
  if (reply.status != 200) return realm_refused(reply, realm);
  MRUN_ASSIGN(m_tokens[scope], read_token(reply, realm));
  return {};
}

} // namespace mrun
