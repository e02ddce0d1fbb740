// The strict look at a request's head, before the parser sees it.
//
// Boost.Beast is lenient where a proxy in front and a server behind could disagree (request smuggling):
// folded lines, repeated Content-Length, Transfer-Encoding other than chunked. Here each of these is refused.
#pragma once

#include <cstddef>
#include <string_view>

#include "common/error.h"

namespace mrun {

// Where the head ends (behind its empty line); 0 while it is incomplete. Errors: request_invalid for a line
// that does not end with CRLF or a control character, request_too_large beyond `max_bytes`. `scanned` is how
// much was looked at before; it is moved on.
Result<std::size_t> find_head_end(std::string_view bytes, std::size_t& scanned, std::size_t max_bytes);

// A whole head, from its request line to its empty line. Errors: request_invalid, request_too_large.
Result<void> check_head(std::string_view head, std::size_t max_headers);

// A Host header that is safe to write into URLs: letters, digits, and . - _ : [ ] %.
bool is_host(std::string_view host);

} // namespace mrun
