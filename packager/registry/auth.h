// Getting in: the challenge of a 401 and the token that answers it.
//
// distribution:docs/content/spec/auth/{token,oauth,scope,jwt}.md. Tokens are kept for the life of the
// process, by registry and scope, and fetched anew when they end, in the middle of an upload too. A secret
// goes to the registry that the user named, and to the realm that this registry names when the user named
// that, too, or it is near (token_servers.h): over TLS, or within this machine over plain HTTP.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/clock.h"
#include "packager/registry/credentials.h"
#include "packager/registry/http.h"
#include "packager/registry/url.h"

namespace mrun {

// WWW-Authenticate (RFC 9110 §11.6.1, RFC 6750 §3).
struct Challenge {
  bool bearer = false; // else Basic
  std::string realm;
  std::string service;
  std::string scope;
};
// The one that we can answer, Bearer before Basic; nullopt: none. Never fails: it is a stranger's text.
std::optional<Challenge> parse_challenges(const std::vector<std::string>& headers);

// What a realm gives (token.md, oauth.md).
struct TokenReply {
  std::string token;           // fit for a header
  std::string refresh_token;   // the next one, of a server that gives out each once; else ""
  std::int64_t lifetime_s = 0; // 1 s to a day
};
// Error registry_reply.
Result<TokenReply> parse_token(std::string_view body, std::string_view what);

// "repository:NAME:pull" or "…:pull,push"; several are joined by spaces. "" for no repository.
std::string repository_scope(std::string_view repository, bool push);

// Shared by the threads that talk to one registry.
class Authenticator {
 public:
  // A credential (for this repository) is looked for when the registry asks, not before.
  Authenticator(Url registry, Credentials credentials, std::string repository,
                const Clock& clock = system_clock());
  // HOST[:PORT] that may have the credentials, too.
  void trust_token_servers(std::vector<std::string> servers);
  // Asked about any other one, while a request waits; true: it may have them, from now on.
  void ask_about_strangers(std::function<bool(const std::string& server)> ask);
  // Instead of what the files hold (`--token-stdin`, login).
  void use(Credential credential);
  // Sends the user and password unasked from now on (Basic), for a registry that lets strangers in, too. A
  // challenge still decides. Only after use().
  void offer();
  // Whether the registry has asked for credentials, so that they were tried.
  bool was_asked() const;

  // The Authorization header for a request of this scope; "" for none (yet). Once the registry has asked for
  // tokens, one that has ended is replaced here, so that no body is sent in vain. Errors: those of answer().
  Result<std::string> header(HttpSession& session, const std::string& scope);
  // After a 401 whose request carried `used`: gets what the next try shall carry. Errors: registry_auth (no
  // credentials, or refused ones), credentials, registry_url (a realm that may not be asked), those of a
  // session.
  Result<void> answer(HttpSession& session, const HttpReply& refused, const std::string& scope,
                      const std::string& used);

 private:
  struct Token {
    std::string header;
    std::int64_t ends_ns = 0; // monotonic
  };
  struct Asked { // by the registry, for a token
    Challenge challenge;
    AddressReach reach = AddressReach::open; // of its address: the realm may be no nearer
  };
  bool is_current(const std::string& scope) const;
  Result<void> fetch_token(HttpSession& session, const std::string& scope);
  Result<HttpReply> ask_realm(HttpSession& session, const Url& realm, const std::string& scope);
  Result<HttpReply> ask_realm_again(HttpSession& session, const Url& realm, const std::string& scope);
  HttpRequest form(const std::string& grant, const std::string& scope) const;
  Result<Token> read_token(const HttpReply& reply, const Url& realm);
  tl::unexpected<Error> realm_refused(const HttpReply& reply, const Url& realm) const;
  Result<void> check_realm(const Url& realm);
  Result<void> find_credential();

  const Url m_registry;
  const Credentials m_credentials;
  const std::string m_repository;
  const Clock& m_clock;
  mutable std::mutex m_mutex; // held while a token is fetched: the others wait for it instead of asking too
  std::vector<std::string> m_token_servers;
  std::function<bool(const std::string&)> m_ask;
  bool m_looked = false;
  std::optional<Credential> m_credential;
  bool m_basic = false;     // the registry takes the credential itself
  bool m_was_asked = false; // by a challenge
  std::optional<Asked> m_asked;
  std::map<std::string, Token> m_tokens; // by scope
};

} // namespace mrun
