#include "runtime/engines/process/messages.h"

#include <array>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "common/text.h"

namespace mrun::process {
namespace {

constexpr std::size_t k_shown_bytes = 120;

tl::unexpected<Error> refuse(std::string_view line, std::string_view why) {
  return fail(ErrorCode::prediction_failed,
              fmt::format("the program wrote a line that {}: `{}`", why, printable(line, k_shown_bytes)),
              "only messages go to standard output (docs/formats/process.md); talk goes to standard error");
}

// What a line says is told by one of these members.
constexpr std::array<std::pair<std::string_view, Say>, 8> k_members = {{{"ready", Say::ready},
                                                                        {"output", Say::output},
                                                                        {"text", Say::text},
                                                                        {"file", Say::file},
                                                                        {"log", Say::log},
                                                                        {"metric", Say::metric},
                                                                        {"done", Say::done},
                                                                        {"error", Say::refused}}};

bool read_text(const Json& object, const char* key, std::string& out) {
  const auto found = object.find(key);
  if (found == object.end()) return true;
  if (!found->is_string()) return false;
  out = found->get<std::string>();
  return true;
}

bool read_end(const Json& value, End& end) {
  if (value == Json("succeeded"))
    end = End::succeeded;
  else if (value == Json("failed"))
    end = End::failed;
  else if (value == Json("canceled"))
    end = End::canceled;
  else
    return false;
  return true;
}

bool is_level(std::string_view text) {
  return text == "error" || text == "warn" || text == "info" || text == "debug";
}

bool read_value(const Json& object, const Json& value, Line& line) {
  switch (line.what) {
  case Say::ready:
    return value == Json(true);
  case Say::output:
    line.value = value;
    return true;
  case Say::metric: {
    const auto number = object.find("value");
    if (!value.is_string() || number == object.end() || !number->is_number()) return false;
    line.text = value.get<std::string>();
    line.number = number->get<double>();
    return std::isfinite(line.number);
  }
  case Say::done:
    return read_end(value, line.end) && read_text(object, "error", line.text);
  case Say::file:
  case Say::log:
    if (!read_text(object, "media_type", line.media_type) || !read_text(object, "level", line.level) ||
        !is_level(line.level))
      return false;
    [[fallthrough]];
  case Say::text:
  case Say::refused:
    if (!value.is_string()) return false;
    line.text = value.get<std::string>();
    return true;
  }
  return false;
}

bool may_lack_id(Say what) {
  return what == Say::ready || what == Say::refused || what == Say::log;
}

} // namespace

Result<Line> parse_line(std::string_view text) {
  const JsonLimits limits{k_max_line_bytes, k_max_json_depth};
  const auto object = parse_json(text, ErrorCode::prediction_failed, "the line", limits);
  if (!object || !object->is_object()) return refuse(text, "is no JSON object");
  Line line;
  const Json* value = nullptr;
  for (const auto& [member, what] : k_members) {
    const auto found = object->find(std::string(member));
    if (found == object->end()) continue;
    line.what = what;
    value = &*found;
    break;
  }
  if (value == nullptr) return refuse(text, "says neither ready, output, text, file, log, metric nor done");
  if (const auto id = object->find("id"); id != object->end()) {
    if (!id->is_number_unsigned()) return refuse(text, "has an `id` that was never given");
    line.id = id->get<std::uint64_t>();
  }
  if (!line.id && !may_lack_id(line.what)) return refuse(text, "has no `id`");
  if (!read_value(*object, *value, line)) return refuse(text, "has a value of the wrong kind");
  return line;
}

std::string predict_line(std::uint64_t id, const Json& input, const std::string& folder) {
  return canonical_json({{"predict", id}, {"input", input}, {"folder", folder}}) + "\n";
}

std::string cancel_line(std::uint64_t id) {
  return canonical_json({{"cancel", id}}) + "\n";
}

} // namespace mrun::process
