#include "daemon/state/records.h"

#include <algorithm>

#include <fmt/format.h>

namespace mrun {

std::string encode_events(const std::vector<Event>& events) {
  std::string text = "[";
  for (const Event& event : events) {
    if (event.type == EventType::done) continue;
    text += fmt::format("{}[{},\"{}\",{}]", text.size() > 1 ? "," : "", event.wall_ns, event_name(event.type),
                        canonical_json(event.data));
  }
  return text + "]";
}

Result<std::vector<Event>> decode_events(const std::string& text, const Json& output) {
  JsonLimits limits;
  limits.max_bytes = k_max_payload_bytes;
  limits.max_depth = k_max_json_depth + 4; // a value of a model may use the whole depth by itself
  MRUN_ASSIGN(const Json list, parse_json(text, ErrorCode::database_corrupt, "a stored event list", limits));
  std::vector<Event> events;
  for (const Json& entry : list) {
    Event event;
    if (!entry.is_array() || entry.size() < 2 || entry.size() > 3 || !entry[0].is_number_integer() ||
        !entry[1].is_string() || !find_event(entry[1].get<std::string>(), event.type))
      return fail(ErrorCode::database_corrupt, "a stored event list has an entry that is no event");
    event.seq = events.size() + 1;
    event.wall_ns = entry[0].get<std::int64_t>();
    event.data = entry.size() == 3 ? entry[2] : Json({{"value", output}});
    events.push_back(std::move(event));
  }
  return events;
}

std::string encode_error(const Error& error) {
  return canonical_json({{"code", static_cast<int>(error.code)},
                         {"message", error.message},
                         {"hint", error.hint},
                         {"notes", error.notes}});
}

Error decode_error(const std::string& text) {
  const Result<Json> json = parse_json(text, ErrorCode::database_corrupt, "a stored error");
  Error error;
  error.message = text;
  if (!json || !json->is_object()) return error;
  if (const ErrorRow* row = find_error_row(std::to_string(json->value("code", 0)))) error.code = row->code;
  error.message = json->value("message", "");
  error.hint = json->value("hint", "");
  error.notes = json->value("notes", std::vector<std::string>());
  return error;
}

} // namespace mrun
