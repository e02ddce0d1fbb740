// What daemon and CLI both know about predictions: states, events, ids, and their JSON.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "common/error.h"
#include "common/json.h"
#include "common/phases.h"
#include "daemon/api/tags.h"

namespace mrun {

// An output file's place in an output, an event or an array of files:
// {"$file": index, "media_type": …, "name": …, "size": bytes, "digest": "sha256:…"}, exactly these five.
struct FileMark {
  std::size_t index = 0; // of GET /mrun/v1/predictions/ID/outputs/N
  std::string media_type;
  std::string name;
  std::uint64_t size_bytes = 0;
  std::string digest;
};
Json file_mark_json(const FileMark& mark);
// nullopt: a model's own JSON.
std::optional<FileMark> file_mark(const Json& value);
// Whether an output is a file, or a list with a file. A model whose own JSON looks so is refused, so a mark
// in an output is always one of the daemon's.
bool has_file_mark(const Json& output);

enum class PredictionStatus : std::uint8_t { starting, processing, succeeded, failed, canceled, aborted };
std::string_view status_name(PredictionStatus status);
bool find_status(std::string_view name, PredictionStatus& status);
constexpr bool is_terminal(PredictionStatus status) {
  return status >= PredictionStatus::succeeded;
}

enum class EventType : std::uint8_t { queued, phase, started, output, log, metric, done };
std::string_view event_name(EventType type);
bool find_event(std::string_view name, EventType& type);

// One entry of a prediction's event list (docs/formats/events.md).
struct Event {
  std::uint64_t seq = 0; // from 1
  std::int64_t wall_ns = 0;
  EventType type = EventType::queued;
  Json data;
};

// 26 characters of lower-case Crockford base32, in the order of time: 48 bits of milliseconds as in a ULID,
// 16 of their fraction, 64 random bits.
std::string new_prediction_id(std::int64_t wall_ns);
// Ids of what was created at `wall_ns` or later are not less than this (compared as text).
std::string first_prediction_id(std::int64_t wall_ns);
bool is_prediction_id(std::string_view text);

// A prediction as the service holds and stores it.
struct Prediction {
  std::string id;
  std::string model;   // owner/name
  std::string version; // 64 hex
  Json input;          // as given, after defaults
  Json output;         // null until there is one
  PredictionStatus status = PredictionStatus::starting;
  std::optional<Error> error;
  std::string logs;
  Json metrics = Json::object();
  std::int64_t created_ns = 0; // wall clock
  std::optional<std::int64_t> started_ns, completed_ns, deadline_ns;
  std::string log_path;                    // of the worker, on failure
  std::vector<std::string> last_log_lines; // of the worker, on failure
  Tags tags;                               // on our own surface only
};

using PredictionPtr = std::shared_ptr<const Prediction>; // shared by its writer and all who wait for its end

// Replicate's prediction object. `base_url`: scheme and host that the caller used, e.g. "http://localhost".
// `output` must already have its files replaced by URLs.
Json prediction_json(Prediction prediction, std::string_view base_url);
// The same for /mrun/v1: under the key `mrun`, one that has tags has {tags}, and one that failed {code,
// class, message, hint, retryable, log_path, last_log_lines[]}.
Json own_prediction_json(Prediction prediction, std::string_view base_url);
// RFC 9457 problem object of an error: {title, detail, status, code: "M1301", class, hint, retryable,
// notes?}.
Json problem_json(const Error& error);
// The other way round, for the client; nullopt when it is no problem object.
std::optional<Error> error_of_problem(const Json& problem);

} // namespace mrun
