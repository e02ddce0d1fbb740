// How large one event or one reply of the daemon may be: a bound against a daemon that has gone mad, never
// one that a prediction which succeeded can meet.
#pragma once

#include <cstddef>

#include "common/limits.h"

namespace mrun::cli {

// A byte of text takes up to six in JSON (a control character is \u001f); of what the daemon counts as output
// no other value takes more than that: a number, 16 bytes there, has at most 24 characters and a comma.
inline constexpr std::size_t k_json_growth = 6;

// The largest is the whole prediction (the `done` event, GET of one): its input, all of its output once more,
// its logs, and as room for everything else (the marks of output files, metrics, the worker's last lines) the
// size of a body. The longest `output` event is a part of that.
inline constexpr std::size_t k_max_reply_bytes =
    k_json_growth * (k_max_body_bytes + k_max_output_bytes + k_max_log_bytes + k_max_body_bytes);

} // namespace mrun::cli
