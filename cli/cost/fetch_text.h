// The text of a file, or of a URL that the user named.
#pragma once

#include <string>

#include "common/error.h"

namespace mrun::cli {

// At most 16 MiB. A URL is https, or http to this machine; a redirect is not followed, but told. Errors: io,
// price_file (too large, not a 200, plain http), registry_url, registry_unreachable, registry_tls.
Result<std::string> text_of_file_or_url(const std::string& from, int interrupt_fd);

} // namespace mrun::cli
