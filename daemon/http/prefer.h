// Request headers of Replicate's API that say how long to wait and how long to run.
#pragma once

#include <chrono>
#include <optional>
#include <string_view>

#include "common/error.h"

namespace mrun {

// `Prefer: wait` or `wait=N`, N from 1 to 60 seconds (RFC 7240 §4.3). Anything else is ignored, as the RFC
// asks.
std::optional<std::chrono::seconds> parse_prefer_wait(std::string_view header);

// `Cancel-After`: "30", "30s", "5m", "1h30m45s", at least 5 seconds and at most 7 days. Error
// request_invalid.
Result<std::chrono::nanoseconds> parse_cancel_after(std::string_view header);

} // namespace mrun
