#include "daemon/api/prediction.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <sys/random.h>

#include "common/clock.h"
#include "common/digest.h"

namespace mrun {
namespace {

constexpr std::array<std::string_view, 6> k_status_names = {"starting", "processing", "succeeded",
                                                            "failed",   "canceled",   "aborted"};
constexpr std::array<std::string_view, 7> k_event_names = {"queued", "phase",  "started", "output",
                                                           "log",    "metric", "done"};

// Crockford's base32 without I, L, O and U, in lower case.
constexpr std::string_view k_alphabet = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr std::size_t k_id_characters = 26;
constexpr std::size_t k_time_bytes = 8;
constexpr std::int64_t k_ns_per_ms = 1'000'000;

template<std::size_t Count, class Value>
bool find_in(const std::array<std::string_view, Count>& names, std::string_view name, Value& value) {
  const auto found = std::find(names.begin(), names.end(), name);
  if (found == names.end()) return false;
  value = static_cast<Value>(found - names.begin());
  return true;
}

// 16 bytes, most significant first, as 26 digits of 5 bits (the first one holds 3).
std::string base32(const std::array<std::uint8_t, 16>& bytes) {
  std::string text(k_id_characters, '0');
  unsigned buffer = 0;
  unsigned bits = 0;
  std::size_t position = k_id_characters;
  for (std::size_t i = bytes.size(); i-- > 0;) {
    buffer |= static_cast<unsigned>(bytes[i]) << bits;
    bits += 8;
    for (; bits >= 5; bits -= 5, buffer >>= 5)
      text[--position] = k_alphabet[buffer & 31U];
  }
  text[--position] = k_alphabet[buffer & 31U];
  MRUN_CHECK(position == 0);
  return text;
}

// The time, and zeros.
std::array<std::uint8_t, 16> id_bytes(std::int64_t wall_ns) {
  std::array<std::uint8_t, 16> bytes{};
  const auto wall_ms = static_cast<std::uint64_t>(wall_ns / k_ns_per_ms);
  const auto fraction = static_cast<std::uint64_t>(wall_ns % k_ns_per_ms) * 65'536 / k_ns_per_ms;
  const std::uint64_t time = wall_ms << 16U | fraction;
  for (std::size_t i = 0; i < k_time_bytes; ++i)
    bytes[i] = static_cast<std::uint8_t>(time >> (8 * (k_time_bytes - 1 - i)));
  return bytes;
}

Json time_or_null(const std::optional<std::int64_t>& wall_ns) {
  return wall_ns ? Json(rfc3339_utc(*wall_ns)) : Json(nullptr);
}

} // namespace

Json file_mark_json(const FileMark& mark) {
  return {{"$file", mark.index},
          {"media_type", mark.media_type},
          {"name", mark.name},
          {"size", mark.size_bytes},
          {"digest", mark.digest}};
}

std::optional<FileMark> file_mark(const Json& value) {
  if (!value.is_object() || value.size() != 5) return std::nullopt;
  const auto index = value.find("$file"), size = value.find("size");
  if (index == value.end() || !index->is_number_unsigned() || size == value.end() ||
      !size->is_number_unsigned())
    return std::nullopt;
  FileMark mark;
  mark.index = index->get<std::size_t>();
  mark.size_bytes = size->get<std::uint64_t>();
  for (const auto& [key, text] :
       {std::pair{"media_type", &mark.media_type}, {"name", &mark.name}, {"digest", &mark.digest}}) {
    const auto found = value.find(key);
    if (found == value.end() || !found->is_string()) return std::nullopt;
    *text = found->get<std::string>();
  }
  if (!Digest::parse(mark.digest)) return std::nullopt;
  return mark;
}

bool has_file_mark(const Json& output) {
  if (file_mark(output)) return true;
  return output.is_array() &&
         std::ranges::any_of(output, [](const Json& item) { return file_mark(item).has_value(); });
}

std::string_view status_name(PredictionStatus status) {
  return k_status_names[static_cast<std::size_t>(status)];
}
bool find_status(std::string_view name, PredictionStatus& status) {
  return find_in(k_status_names, name, status);
}
std::string_view event_name(EventType type) {
  return k_event_names[static_cast<std::size_t>(type)];
}
bool find_event(std::string_view name, EventType& type) {
  return find_in(k_event_names, name, type);
}

std::string new_prediction_id(std::int64_t wall_ns) {
  std::array<std::uint8_t, 16> bytes = id_bytes(wall_ns);
  // Never fails for so few bytes once the system's pool is ready (getrandom(2)).
  const ssize_t got = ::getrandom(bytes.data() + k_time_bytes, bytes.size() - k_time_bytes, 0);
  MRUN_CHECK(got == static_cast<ssize_t>(bytes.size() - k_time_bytes));
  return base32(bytes);
}

std::string first_prediction_id(std::int64_t wall_ns) {
  return base32(id_bytes(wall_ns));
}

bool is_prediction_id(std::string_view text) {
  return text.size() == k_id_characters && std::all_of(text.begin(), text.end(), [](char c) {
           return k_alphabet.find(c) != std::string_view::npos;
         });
}

Json prediction_json(Prediction prediction, std::string_view base_url) {
  const std::string self = fmt::format("{}/v1/predictions/{}", base_url, prediction.id);
  Json json = {
      {"version", std::move(prediction.version)},
      {"error", nullptr},
      {"status", status_name(prediction.status)},
      {"source", "api"},
      {"data_removed", false},
      {"created_at", rfc3339_utc(prediction.created_ns)},
      {"started_at", time_or_null(prediction.started_ns)},
      {"completed_at", time_or_null(prediction.completed_ns)},
      {"urls",
       {{"get", self},
        {"cancel", self + "/cancel"},
        {"web", fmt::format("{}/predictions/{}", base_url, prediction.id)},
        {"stream", self + "/stream"}}},
  };
  // Moved, which the braces above would not do.
  json["input"] = std::move(prediction.input);
  json["output"] = std::move(prediction.output);
  json["metrics"] = std::move(prediction.metrics);
  json["logs"] = std::move(prediction.logs);
  json["model"] = std::move(prediction.model);
  json["id"] = std::move(prediction.id);
  // Replicate says nothing more of what its user canceled.
  if (prediction.error && prediction.error->code != ErrorCode::cancelled)
    json["error"] = fmt::format("{}: {}", error_code_text(prediction.error->code), prediction.error->message);
  if (prediction.deadline_ns) json["deadline"] = rfc3339_utc(*prediction.deadline_ns);
  return json;
}

} // namespace mrun
