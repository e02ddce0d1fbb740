// Tokens of the TCP door: made, revoked and shown; kept in the database as hashes.
#include "common/log.h"
#include "daemon/service/service_impl.h"

namespace mrun {
namespace {

constexpr std::int64_t k_use_note_ns = std::int64_t{60} * 1'000'000'000; // how stale a stored last use may be

} // namespace

void Service::create_token(const NewToken& wanted, Callback<MadeToken> done) {
  MadeToken made{new_token_text(), {}};
  const Result<Token> token = m_tokens.make(wanted, made.text, m_clock.wall_ns());
  if (!token) return done(tl::unexpected(token.error()));
  made.token = *token;
  m_writer.submit({[token = *token](WriterDatabase& database) { return database.insert_token(token); },
                   [this, made, done = std::move(done)](const Result<void>& written) {
                     note_database(written);
                     if (written) {
                       log_info("token {} was made, scope {}", made.token.name, scope_name(made.token.scope));
                       return done(made);
                     }
                     (void)m_tokens.remove(made.token.name); // it may have been revoked meanwhile
                     done(tl::unexpected(written.error()));
                   },
                   true});
}

// It is of no more use from now on, also while the disk is slow.
void Service::revoke_token(const std::string& name, Callback<Token> done) {
  const Result<Token> token = m_tokens.remove(name);
  if (!token) return done(tl::unexpected(token.error()));
  m_noted_uses.erase(name);
  m_writer.submit({[name](WriterDatabase& database) { return database.remove_token(name); },
                   [this, token = *token, done = std::move(done)](const Result<void>& written) {
                     note_database(written);
                     if (written) {
                       log_info("token {} was revoked", token.name);
                       return done(token);
                     }
                     m_tokens.add(token);
                     done(tl::unexpected(written.error()));
                   },
                   true});
}

std::vector<Token> Service::list_tokens() const {
  return m_tokens.list();
}

Result<TokenScope> Service::show_token(std::string_view text) {
  MRUN_ASSIGN(const Token token, m_tokens.show(text, m_clock.wall_ns()));
  std::int64_t& noted_ns = m_noted_uses[token.name];
  if (*token.last_use_ns - noted_ns >= k_use_note_ns) {
    noted_ns = *token.last_use_ns;
    m_writer.submit({[token](WriterDatabase& database) { return database.note_token_use(token); },
                     [this](const Result<void>& written) { note_database(written); }, false});
  }
  return token.scope;
}

} // namespace mrun
