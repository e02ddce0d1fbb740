// Server-sent events as text (WHATWG HTML, "server-sent events"). Two dialects: ours with JSON data,
// Replicate's with plain text. Formats: docs/formats/events.md and docs/api.md.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "daemon/api/prediction.h"

namespace mrun {

// `event:`, `id:`, then one `data:` line per line of `data` (CRLF, CR and LF all end a line), then an empty
// line.
void append_sse(std::string& out, std::string_view event, std::string_view id, std::string_view data);

// Ours: `event: TYPE`, `id: SEQ`, `data: JSON`. `data` is given apart, since `done` is dressed for its
// caller.
void append_mrun_event(std::string& out, const Event& event, const Json& data);

// Replicate's: output, logs, error, done; nothing for the other types. The id is `<unix seconds>:<seq>`.
// A file of `output` must already be a URL. `failure` is the error's text of a failed prediction, else "".
void append_replicate_event(std::string& out, const Event& event, std::string_view failure);

// The end of a stream whose prediction can't be recorded (EventFeed): ours `error` with a problem object,
// Replicate's `error` and `done`. They bear the id of what came before, so that a caller who resumes misses
// nothing.
void append_mrun_error(std::string& out, std::uint64_t last_seq, const Error& error);
void append_replicate_error(std::string& out, std::uint64_t last_seq, const Error& error);

// Last-Event-ID of either dialect ("17" or "1690212292:17"); 0 for anything else.
std::uint64_t parse_last_event_id(std::string_view header);

// A file mark, or those in a list, become the URLs of these outputs.
void link_files(Json& value, std::string_view base_url, std::string_view prediction_id);

} // namespace mrun
