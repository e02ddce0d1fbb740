// What a handler gets: one whole HTTP request, already checked against the limits.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mrun {

struct Request {
  std::string method; // as sent: GET, POST, QUERY, …
  std::string path;   // without the query, still percent-encoded; a leading /v1/v1 is folded into /v1
  std::vector<std::pair<std::string, std::string>> query;   // decoded, in order
  std::vector<std::pair<std::string, std::string>> headers; // names in lower case, in order
  std::vector<std::string> params;                          // the {parts} of the route's pattern, decoded
  std::string body;                                         // empty for a streamed body
  std::string base_url;       // scheme and host as the caller wrote them: "http://localhost"
  unsigned minor_version = 1; // of HTTP/1.x

  // The first header of that (lower-case) name; "" when it is absent.
  std::string_view header(std::string_view name) const;
  std::optional<std::string_view> query_value(std::string_view name) const;
};

// %XX decoded (`+` stays as it is); nullopt for a broken escape or an encoded NUL or '/'.
std::optional<std::string> percent_decode(std::string_view text);
// "a=1&b=%20": keys and values decoded, `+` is a space; nullopt for a broken escape.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view text);

} // namespace mrun
