// The tokens of the TCP door, in memory: who shows which, and which are there. Used on the io thread only.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "daemon/api/token.h"

namespace mrun {

class TokenBook {
 public:
  explicit TokenBook(std::vector<Token> tokens);

  // Errors: token_exists; body_invalid for a name that is none, a lifetime that is none, or one token too
  // many.
  Result<Token> make(const NewToken& wanted, std::string_view text, std::int64_t now_ns);
  void add(Token token) { m_tokens[token.name] = std::move(token); }
  // Error token_not_found, with the nearest name.
  Result<Token> remove(const std::string& name);
  // The token of that text, whose last use is now. Looks at every hash, each compared whole, so that the time
  // it takes says nothing of them. Error token_invalid.
  Result<Token> show(std::string_view text, std::int64_t now_ns);
  std::vector<Token> list() const; // by name

 private:
  std::map<std::string, Token> m_tokens; // by name
};

} // namespace mrun
