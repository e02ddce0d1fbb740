// What a handler gives: a status, headers and a body that is there; and the text of a reply's head.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "common/error.h"
#include "common/json.h"

namespace mrun {

struct Reply {
  int status = 200;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string, std::string>> headers; // beside Content-*, Connection, Mrun-Build
  std::string body;
};

// Compact JSON with `Cache-Control: no-store`.
Reply json_reply(int status, const Json& value);
// A problem object with the row's status; 429 and retryable 503 get `Retry-After: 1`, 401 says which
// scheme it wants.
Reply problem_reply(const Error& error);
// For a status without a row (304, 417, …) there is none: everything else is problem_reply.
Reply empty_reply(int status);

enum class Framing { length, chunked, until_close };

// Status line and headers with the final CRLF. `content_length` counts only with Framing::length.
std::string reply_head(const Reply& reply, Framing framing, std::uint64_t content_length, bool keep_alive,
                       std::string_view build_id);

} // namespace mrun
