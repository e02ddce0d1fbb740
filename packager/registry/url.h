// URLs as registries give them: taken apart, resolved, compared. libcurl's parser does the reading.
#pragma once

#include <string>
#include <string_view>

#include "common/error.h"

namespace mrun {

struct Url {
  std::string scheme; // https or http
  std::string host;   // lower case; IPv6 in brackets
  std::string port;   // always there
  std::string path;   // begins with /
  std::string query;  // without ?

  // Absolute, http or https, without user, password or fragment. Error registry_url.
  static Result<Url> parse(std::string_view text);
  // A Location or realm: absolute, or relative to this URL (RFC 3986 §5).
  Result<Url> resolve(std::string_view reference) const;

  std::string text() const;
  std::string authority() const;            // HOST, or HOST:PORT where the port is not the scheme's own
  bool same_origin(const Url& other) const; // scheme, host and port
};

} // namespace mrun
