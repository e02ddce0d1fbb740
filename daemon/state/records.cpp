#include "daemon/state/records.h"

#include <algorithm>

#include <fmt/format.h>

namespace mrun {

std::string encode_events(const std::vector<Event>& events, const Json& output) {
  const auto outputs = std::count_if(events.begin(), events.end(),
                                     [](const Event& event) { return event.type == EventType::output; });
  const auto is_whole_output = [&](const Event& event) {
    if (event.type != EventType::output || outputs != 1) return false;
    const auto value = event.data.find("value");
    return value != event.data.end() && *value == output;
  };
  std::string text = "[";
  for (const Event& event : events) {
    if (event.type == EventType::done) continue;
    text += fmt::format("{}[{},\"{}\"", text.size() > 1 ? "," : "", event.wall_ns, event_name(event.type));
    if (!is_whole_output(event)) text += "," + canonical_json(event.data);
    text += "]";
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
  constexpr ErrorCode k_damaged = ErrorCode::database_corrupt;
  constexpr std::string_view k_what = "a stored error";
  Error error;
  error.message = text;
  const Result<Json> json = parse_json(text, k_damaged, k_what);
  if (!json || !json->is_object()) return error;
  const auto word = [&](const char* key) {
    return json_string(*json, key, k_damaged, k_what).value_or(std::nullopt).value_or("");
  };
  const auto code = json_integer(*json, "code", k_damaged, k_what).value_or(std::nullopt).value_or(0);
  if (const ErrorRow* row = find_error_row(std::to_string(code))) error.code = row->code;
  error.message = word("message");
  error.hint = word("hint");
  if (const auto notes = json->find("notes"); notes != json->end() && notes->is_array())
    for (const Json& note : *notes)
      if (note.is_string()) error.notes.push_back(note.get<std::string>());
  return error;
}

} // namespace mrun
